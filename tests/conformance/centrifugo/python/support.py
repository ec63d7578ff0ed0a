"""What the tests share: the server, tokens, a wire that can be cut, and clients that remember what happened to them."""

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
import os
import re
import subprocess
import time
import unittest
import urllib.request
from pathlib import Path

import centrifuge

SECRET = "test-secret"
SUBSCRIPTION_SECRET = "test-subscription-secret"
API_KEY = "test-api-key"

_names = itertools.count(1)


def fresh(prefix):
    """A name that no other test uses."""
    return f"{prefix}py{os.getpid()}_{time.monotonic_ns():x}_{next(_names)}"


def now():
    return int(time.time())


def numbered(first, last):
    return [{"i": i} for i in range(first, last + 1)]


def _segment(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwt(secret=SECRET, bits=256, **claims):
    head = _segment(json.dumps({"alg": f"HS{bits}", "typ": "JWT"}).encode())
    signed = f"{head}.{_segment(json.dumps(claims).encode())}"
    digest = hmac.new(secret.encode(), signed.encode(), getattr(hashlib, f"sha{bits}")).digest()
    return f"{signed}.{_segment(digest)}"


def subscription_token(**claims):
    return jwt(secret=SUBSCRIPTION_SECRET, **claims)


class ApiError(Exception):
    def __init__(self, code, message):
        super().__init__(f"{code} {message}")
        self.code = code


class Server:
    """The server's program, named by SRL_CENTRIFUGO."""

    def __init__(self, config):
        program = os.environ["SRL_CENTRIFUGO"]
        path = Path(__file__).resolve().parent.parent / "config" / f"{config}.json"
        self.process = subprocess.Popen(
            [program, "--port", "0", "--config", str(path)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )
        for line in self.process.stdout:
            match = re.search(r"http://[^:/]+:(\d+)", line)
            if match:
                self.port = int(match[1])
                return
        raise RuntimeError("the server ended")

    def stop(self):
        self.process.terminate()
        code = self.process.wait(10)
        self.process.stdout.close()
        return code

    def _call(self, method, body):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/{method}",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "X-API-Key": API_KEY},
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            answer = json.load(response)
        if "error" in answer:
            raise ApiError(answer["error"]["code"], answer["error"]["message"])
        return answer["result"]

    async def api(self, method, **body):
        return await asyncio.to_thread(self._call, method, body)

    async def publish_many(self, channel, first, last):
        for data in numbered(first, last):
            await self.api("publish", channel=channel, data=data)


class Wire:
    """A TCP relay before the server that can be cut, mended and pointed to another server."""

    @classmethod
    async def to(cls, port):
        wire = cls()
        wire.target = port
        wire.whole = True
        wire.writers = set()
        wire.tasks = set()
        wire.server = await asyncio.start_server(wire._accept, "127.0.0.1", 0)
        wire.port = wire.server.sockets[0].getsockname()[1]
        wire.flowing = asyncio.Event()
        wire.flowing.set()
        return wire

    def _accept(self, reader, writer):
        task = asyncio.create_task(self._join(reader, writer))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _join(self, reader, writer):
        if not self.whole:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        pair = {writer, far_writer}
        self.writers |= pair
        try:
            await asyncio.gather(
                self._copy(reader, far_writer, None), self._copy(far_reader, writer, self.flowing)
            )
        finally:
            self.writers -= pair

    @staticmethod
    async def _copy(reader, writer, gate):
        try:
            while True:
                if gate:
                    await gate.wait()
                data = await reader.read(65536)
                if not data:
                    break
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        writer.transport.close()

    def cut(self):
        self.whole = False
        for writer in self.writers:
            writer.transport.abort()

    def mend(self):
        self.whole = True

    async def close(self):
        self.flowing.set()
        self.cut()
        self.server.close()
        await asyncio.gather(*self.tasks, return_exceptions=True)


class Recorder:
    """Remembers events as (name, context)."""

    def __init__(self):
        self.log = []
        self.more = asyncio.Event()

    def __getattr__(self, name):
        if not name.startswith("on_"):
            raise AttributeError(name)

        async def remember(context):
            self.log.append((name[3:], context))
            self.more.set()

        return remember

    def all(self, name):
        return [context for each, context in self.log if each == name]

    def last(self, name):
        return self.all(name)[-1]

    async def until(self, name, count=1, timeout=10):
        return await self.when(lambda: (self.all(name) + [None] * count)[count - 1], f'{count} times "{name}"', timeout)

    async def when(self, condition, what="condition", timeout=10):
        deadline = time.monotonic() + timeout
        while True:
            result = condition()
            if result:
                return result
            self.more.clear()
            try:
                await asyncio.wait_for(self.more.wait(), max(0.01, deadline - time.monotonic()))
            except asyncio.TimeoutError:
                raise AssertionError(f"no {what} in {str(self.log)[-2000:]}") from None


class Room(Recorder):
    """A subscription of the SDK with its events."""

    @property
    def data(self):
        return [context.pub.data for context in self.all("publication")]

    @property
    def outcomes(self):
        return [(context.was_recovering, context.recovered) for context in self.all("subscribed")]


class Client(Recorder):
    """A client of the SDK with its events, behind a wire of its own."""

    @classmethod
    async def make(cls, server, **options):
        client = cls()
        client.wire = await Wire.to(server.port)
        client.sdk = centrifuge.Client(
            f"ws://127.0.0.1:{client.wire.port}/connection/websocket",
            events=client,
            min_reconnect_delay=0.05,
            max_reconnect_delay=0.4,
            proxy=None,
            **options,
        )
        return client

    @property
    def id(self):
        return self.last("connected").client

    def room(self, channel, **options):
        room = Room()
        room.sdk = self.sdk.new_subscription(
            channel, events=room, min_resubscribe_delay=0.05, max_resubscribe_delay=0.4, **options
        )
        return room

    async def subscribe(self, channel, **options):
        """Subscribes and waits for the outcome."""
        room = self.room(channel, **options)
        await room.sdk.subscribe()
        await room.when(lambda: room.all("subscribed") or room.all("unsubscribed"), "outcome")
        return room

    async def lost(self):
        """Cuts the wire and waits until the client knows."""
        self.wire.cut()
        await self.when(lambda: self.sdk.state == centrifuge.ClientState.CONNECTING, "loss of the connection")

    async def missing(self, server, channel, first, last):
        await self.lost()
        await server.publish_many(channel, first, last)
        self.wire.mend()

    async def close(self):
        await self.sdk.disconnect()
        await self.wire.close()


class Case(unittest.IsolatedAsyncioTestCase):
    """A test with clients that are closed at its end."""

    async def asyncSetUp(self):
        asyncio.get_running_loop().slow_callback_duration = 60  # no warnings of a busy machine among the results
        self.clients = []

    async def asyncTearDown(self):
        for client in self.clients:
            await client.close()

    async def client(self, server, connect=True, **options):
        client = await Client.make(server, **options)
        self.clients.append(client)
        if connect:
            await client.sdk.connect()
            await client.until("connected")
        return client

    async def fails(self, awaitable, code):
        with self.assertRaises(centrifuge.ReplyError) as caught:
            await awaitable
        self.assertEqual(caught.exception.code, code)

    def __str__(self):
        return f"centrifuge-python: {self._testMethodName.removeprefix('test_').replace('_', ' ')}"
