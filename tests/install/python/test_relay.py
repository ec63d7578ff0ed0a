#!/usr/bin/env python3
"""test_relay.py LIBRARY: a relay inside an asyncio program, hooks answered later, the transport written in Python."""

import asyncio
import json
import sys
import threading
import time

from streamrelay import Library, Relay, Session

OPTIONS = {"history_size": "100", "publish": "true", "presence": "true", "join_leave": "session"}


def replies(session):
    return {message["reply"]["id"]: message["reply"]
            for message in map(json.loads, session.received) if "reply" in message}


def pushes(session, kind):
    return [message["push"] for message in map(json.loads, session.received)
            if message.get("push", {}).get("type") == kind]


def payloads(session):
    return [push["data"]["data"] for push in pushes(session, "message")]


def command(number, kind, channel=None, data=None):
    fields = {"id": number, "type": kind, "channel": channel, "data": data}
    return json.dumps({name: value for name, value in fields.items() if value is not None})


class Door:
    """The connect hook: tokens are looked up in a slow place."""

    def __init__(self):
        self.asked = []
        self.delay = 0.05

    async def __call__(self, token):
        self.asked.append(token)
        await asyncio.sleep(self.delay)
        return {"token-of-ann": "ann", "token-of-bob": "bob"}.get(token)


async def connect(relay, token):
    session = Session(relay)
    session.send(command(1, "connect", data={"token": token}) + "\n" + command(2, "subscribe", "room"))
    await session.until(lambda: 2 in replies(session))
    return session


async def check_late_answer(relay, door):
    session = Session(relay)
    before = time.monotonic()
    session.send(command(1, "connect", data={"token": "token-of-ann"}) + "\n" + command(2, "subscribe", "room"))
    assert len(relay.tasks) == 1, "the hook was not asked"
    assert session.received == [], "nothing may be answered before the hook is"
    await session.until(lambda: 2 in replies(session))
    assert time.monotonic() - before >= door.delay * 0.9
    assert door.asked == ["token-of-ann"], door.asked
    assert [json.loads(m)["reply"]["id"] for m in session.received if "reply" in m] == [1, 2]
    assert replies(session)[1]["data"]["user"] == "ann", session.received
    assert "error" not in replies(session)[2], session.received
    return session


async def check_refusal(relay):
    session = Session(relay)
    session.send(command(1, "connect", data={"token": "stolen"}))
    await session.until(lambda: 1 in replies(session))
    assert replies(session)[1]["error"]["code"] == 101, session.received
    session.closed()


async def check_gone_before_answer(relay, door):
    session = Session(relay)
    session.send(command(1, "connect", data={"token": "token-of-bob"}))
    session.closed()
    await asyncio.sleep(door.delay * 2)
    assert session.received == []


async def check_publish(relay, ann, bob):
    offsets = [await relay.publish("room", json.dumps({"n": n})) for n in range(3)]
    assert offsets == [1, 2, 3], offsets
    bob.send(command(3, "publish", "room", {"data": {"n": 3}}))
    for session in (ann, bob):
        await session.until(lambda s=session: len(payloads(s)) == 4)
        assert payloads(session) == [{"n": n} for n in range(4)], session.received
        assert [push["data"]["offset"] for push in pushes(session, "message")] == [1, 2, 3, 4]
    await bob.until(lambda: 3 in replies(bob))
    assert "error" not in replies(bob)[3], bob.received
    assert pushes(ann, "join")[-1]["data"]["info"]["user"] == "bob", ann.received


async def check_back_pressure(relay, ann):
    ann.room = 1
    seen = len(payloads(ann))
    for n in range(5):
        await relay.publish("room", str(n))
    await asyncio.sleep(0)
    assert len(payloads(ann)) == seen + 1, "the transport took one frame only"
    ann.writable(None)
    await ann.until(lambda: len(payloads(ann)) == seen + 5)
    assert payloads(ann)[seen:] == [0, 1, 2, 3, 4]


async def check_post(relay, loop):
    done = loop.create_future()
    here = threading.get_ident()
    kept = []

    def on_relay_thread(alive):
        done.set_result((alive, threading.get_ident() == here))

    thread = threading.Thread(target=lambda: kept.append(relay.post(on_relay_thread)))
    thread.start()
    assert await done == (True, True)
    thread.join()


async def check_end(relay, ann, bob):
    bob.closed()
    await ann.until(lambda: pushes(ann, "leave"))
    assert pushes(ann, "leave")[-1]["data"]["info"]["user"] == "bob", ann.received
    relay.destroy()
    assert ann.code == 3001, (ann.code, ann.reason)
    ann.closed()


async def main(path):
    loop = asyncio.get_running_loop()
    door = Door()
    relay = Relay(Library(path), loop, door, OPTIONS)
    ann = await check_late_answer(relay, door)
    await check_refusal(relay)
    await check_gone_before_answer(relay, door)
    bob = await connect(relay, "token-of-bob")
    await check_publish(relay, ann, bob)
    await check_back_pressure(relay, ann)
    await check_post(relay, loop)
    await check_end(relay, ann, bob)
    assert not relay.tasks


asyncio.run(asyncio.wait_for(main(sys.argv[1]), 30))
