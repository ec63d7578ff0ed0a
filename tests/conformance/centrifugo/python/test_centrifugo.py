"""The Python SDK against the server."""

import asyncio
import os
import random
import unittest

from centrifuge import DeltaType, Filter, StreamPosition

from support import Case, Server, fresh, jwt, now, numbered, subscription_token

REFERENCE = bool(os.environ.get("SRL_REFERENCE"))

server = insecure = None


def setUpModule():
    global server, insecure
    server, insecure = Server("token"), Server("insecure")


def tearDownModule():
    codes = [each.stop() for each in (server, insecure)]
    assert codes == [0, 0], codes


class Connection(Case):
    async def enter(self, user=None, **claims):
        return await self.client(server, token=jwt(sub=user or fresh("user"), **claims))

    async def test_connect_insecure(self):
        client = await self.client(insecure)
        self.assertTrue(client.id)

    async def test_connect_with_a_JWT(self):
        for bits in (256, 384, 512):
            client = await self.client(server, token=jwt(bits=bits, sub="anna", exp=now() + 600, info={"n": "Ω"}))
            channel = fresh("room:")
            await client.subscribe(channel)
            presence = (await server.api("presence", channel=channel))["presence"]
            self.assertEqual(list(presence.values()), [{"user": "anna", "client": client.id, "conn_info": {"n": "Ω"}}])

    async def test_connect_refused(self):
        for token, code in ((jwt(secret="other", sub="x"), 3500), ("nonsense", 3500), ("", 3501)):
            client = await self.client(server, connect=False, token=token)
            await client.sdk.connect()
            self.assertEqual((await client.until("disconnected")).code, code)

    async def test_connection_token_expired_one_is_replaced(self):
        async def get_token():
            return jwt(sub="x", exp=now() + 600)

        client = await self.client(server, token=jwt(sub="x", exp=now() - 5), get_token=get_token)
        self.assertEqual(client.last("error").error.code, 109)

    async def test_connection_token_refreshed(self):
        asked = []

        async def get_token():
            asked.append(1)
            return jwt(sub="x", exp=now() + 2)

        client = await self.client(server, get_token=get_token)
        await asyncio.sleep(5.5)
        self.assertGreaterEqual(len(asked), 3)
        self.assertEqual(len(client.all("connected")), 1)

    async def test_connection_expiry(self):
        asked = []

        async def get_token():
            asked.append(1)
            if len(asked) == 2:
                await asyncio.sleep(60)
            return jwt(sub="x", exp=now() + (2 if len(asked) == 1 else 600))

        client = await self.client(server, get_token=get_token)
        await client.until("connected", 2)
        self.assertIn(3005, [context.code for context in client.all("connecting")])

    async def test_disconnect_terminal(self):
        for code in (3503, 3999, 4500, 4999):
            user = fresh("user")
            client = await self.enter(user)
            await server.api("disconnect", user=user, disconnect={"code": code, "reason": "so it is"})
            context = await client.until("disconnected")
            self.assertEqual((context.code, context.reason), (code, "so it is"))
            await asyncio.sleep(0.3)
            self.assertEqual(len(client.all("connected")), 1)

    async def test_disconnect_and_reconnect(self):
        for code in (3100, 3499, 4000, 4499):
            user = fresh("user")
            client = await self.enter(user)
            await server.api("disconnect", user=user, disconnect={"code": code, "reason": "come back"})
            await client.until("connected", 2)
            self.assertIn(code, [context.code for context in client.all("connecting")])

    async def test_ping_and_pong(self):
        client = await self.client(insecure)
        await asyncio.sleep(3.5)
        self.assertEqual(len(client.all("connected")), 1)
        self.assertEqual(len(client.all("disconnected")), 0)

    async def test_no_pong(self):
        client = await self.client(insecure, max_server_ping_delay=0.5)
        client.wire.flowing.clear()
        await client.when(lambda: len(client.all("connecting")) > 1, "loss")
        client.wire.flowing.set()
        await client.until("connected", 2)


class Channels(Case):
    async def enter(self, user=None, **claims):
        client = await self.client(server, token=jwt(sub=user or fresh("user"), **claims))
        return client

    async def test_subscribe_and_publish(self):
        one, two = await self.enter("one", info={"n": 1}), await self.enter()
        channel = fresh("room:")
        rooms = [await one.subscribe(channel), await two.subscribe(channel)]
        context = rooms[0].last("subscribed")
        self.assertEqual((context.recoverable, context.positioned, context.stream_position.offset), (True, True, 0))
        await rooms[0].sdk.publish({"text": "Привет 🙂"})
        for room in rooms:
            pub = (await room.until("publication")).pub
            self.assertEqual((pub.data, pub.offset), ({"text": "Привет 🙂"}, 1))
            self.assertEqual((pub.info.user, pub.info.client, pub.info.conn_info), ("one", one.id, {"n": 1}))
        await server.api("publish", channel=channel, data=[1], tags={"a": "b"})
        pub = (await rooms[1].until("publication", 2)).pub
        self.assertEqual((pub.data, pub.tags), ([1], {"a": "b"}))

    async def test_permissions(self):
        client = await self.enter()
        for prefix, code in (("unknown:", 102), ("secret:", 103)):
            self.assertEqual((await client.subscribe(fresh(prefix))).last("unsubscribed").code, code)
        quiet = await client.subscribe(fresh("quiet:"))
        await self.fails(quiet.sdk.publish({}), 103)
        await self.fails(quiet.sdk.presence(), 108)
        await self.fails(quiet.sdk.history(limit=1), 108)

    async def test_presence_and_presence_stats(self):
        channel = fresh("room:")
        one, two = await self.enter("same", info=[1]), await self.enter("same")
        room, other = await one.subscribe(channel), await two.subscribe(channel)
        clients = (await room.sdk.presence()).clients
        self.assertEqual(set(clients), {one.id, two.id})
        self.assertEqual((clients[one.id].user, clients[one.id].conn_info), ("same", [1]))
        stats = await room.sdk.presence_stats()
        self.assertEqual((stats.num_clients, stats.num_users), (2, 1))
        await other.sdk.unsubscribe()
        await room.until("leave")
        self.assertEqual((await room.sdk.presence_stats()).num_clients, 1)

    async def test_history(self):
        client = await self.enter()
        channel = fresh("room:")
        room = await client.subscribe(channel)
        await server.publish_many(channel, 1, 10)
        epoch = room.last("subscribed").stream_position.epoch

        async def read(**options):
            result = await room.sdk.history(**options)
            self.assertEqual((result.offset, result.epoch), (10, epoch))
            return [pub.offset for pub in result.publications]

        self.assertEqual(await read(), [])
        self.assertEqual(await read(limit=0), [])
        self.assertEqual(await read(limit=-1), list(range(1, 11)))
        self.assertEqual(await read(limit=3, since=StreamPosition(4, epoch)), [5, 6, 7])
        self.assertEqual(await read(limit=3, reverse=True), [10, 9, 8])
        self.assertEqual(await read(limit=3, since=StreamPosition(5, epoch), reverse=True), [4, 3, 2])
        await self.fails(room.sdk.history(limit=1, since=StreamPosition(4, "wrong")), 112)
        await self.fails(room.sdk.history(limit=1, since=StreamPosition(0, epoch), reverse=True), 107)

    async def test_join_and_leave(self):
        channel = fresh("ask:")
        one, two, three = await self.enter(), await self.enter(), await self.enter("visitor")
        asking, silent = await one.subscribe(channel, join_leave=True), await two.subscribe(channel)
        await three.subscribe(channel)
        await asking.until("join", 3)
        self.assertEqual(asking.last("join").info.user, "visitor")
        await three.close()
        self.assertEqual((await asking.until("leave")).info.client, three.id)
        self.assertEqual(silent.all("join") + silent.all("leave"), [])

    async def test_RPC(self):
        client = await self.enter()
        self.assertEqual((await client.sdk.rpc("echo", {"a": ["ё"]})).data, {"a": ["ё"]})
        await self.fails(client.sdk.rpc("nothing", {}), 104)
        await self.fails(client.sdk.rpc("fail", {}), 1234)

    async def test_unsubscribe_by_the_server(self):
        client = await self.enter("leaver")
        channel = fresh("room:")
        room = await client.subscribe(channel)
        await server.api("unsubscribe", user="leaver", channel=channel)
        context = await room.until("unsubscribed")
        self.assertEqual((context.code, context.reason), (2000, "server unsubscribe"))
        await asyncio.sleep(0.3)
        self.assertEqual(len(room.all("subscribed")), 1)

    async def test_unsubscribe_by_the_server_with_resubscribe(self):
        client = await self.enter("returner")
        channel = fresh("room:")
        room = await client.subscribe(channel)
        await server.publish_many(channel, 1, 1)
        await room.until("publication")
        await server.api("unsubscribe", user="returner", channel=channel, code=2500, reason="insufficient state")
        await server.publish_many(channel, 2, 2)
        await room.until("publication", 2)
        self.assertEqual(room.outcomes, [(False, False), (True, True)])
        self.assertEqual(room.last("subscribing").code, 2500)
        self.assertEqual(room.data, numbered(1, 2))

    async def test_unsubscribe_and_subscribe_many_times(self):
        client = await self.enter()
        channel = fresh("room:")
        room = await client.subscribe(channel)
        for times in range(2, 22):
            await room.sdk.unsubscribe()
            await room.sdk.subscribe()
            await room.until("subscribed", times)
        self.assertEqual((await client.sdk.presence_stats(channel)).num_clients, 1)

    async def test_subscription_token(self):
        client = await self.enter("holder")
        asked = []

        async def get_token(channel):
            asked.append(channel)
            return subscription_token(sub="holder", channel=channel, info={"seat": 7})

        channel = fresh("$secret:")
        await client.subscribe(channel, get_token=get_token)
        self.assertEqual(asked, [channel])
        presence = (await server.api("presence", channel=channel))["presence"]
        self.assertEqual(presence[client.id]["chan_info"], {"seat": 7})
        wrong = fresh("secret:")
        room = await client.subscribe(wrong, token=jwt(sub="holder", channel=wrong))
        self.assertEqual(room.last("unsubscribed").code, 103)

    async def test_subscription_token_refreshed(self):
        client = await self.enter("holder")
        asked = []

        async def get_token(channel):
            asked.append(channel)
            return subscription_token(sub="holder", channel=channel, exp=now() + 2)

        room = await client.subscribe(fresh("secret:"), get_token=get_token)
        await asyncio.sleep(5.5)
        self.assertGreaterEqual(len(asked), 3)
        self.assertEqual((len(room.all("subscribed")), room.all("error")), (1, []))

    async def test_subscription_expiry(self):
        client = await self.enter("holder")
        asked = []

        async def get_token(channel):
            asked.append(channel)
            if len(asked) == 2:
                await asyncio.sleep(60)
            return subscription_token(sub="holder", channel=channel, exp=now() + (2 if len(asked) == 1 else 600))

        room = await client.subscribe(fresh("secret:"), get_token=get_token)
        await room.until("subscribed", 2)
        self.assertEqual(room.last("subscribing").code, 2501)

    async def test_batch_100_rooms(self):
        client = await self.enter()
        rooms = [client.room(fresh("room:")) for _ in range(100)]
        await asyncio.gather(*(room.sdk.subscribe() for room in rooms))
        for room in rooms:
            await room.until("subscribed")
        await asyncio.gather(*(room.sdk.publish(i) for i, room in enumerate(rooms)))
        for i, room in enumerate(rooms):
            await room.until("publication")
            self.assertEqual(room.data, [i])

    async def test_server_side_subscriptions(self):
        channel, later = fresh("room:"), fresh("room:")
        client = await self.enter("inside", channels=[channel])

        def of(event, name):
            return [context for context in client.all(event) if context.channel == name]

        context = (await client.when(lambda: of("subscribed", channel)))[0]
        self.assertEqual((context.recoverable, context.positioned), (True, True))
        await server.publish_many(channel, 1, 3)
        await client.when(lambda: len(of("publication", channel)) == 3)
        await server.api("subscribe", user="inside", channel=later, data={"why": 1})
        context = (await client.when(lambda: of("subscribed", later)))[0]
        self.assertEqual(context.data, {"why": 1})
        await server.publish_many(later, 1, 2)
        await client.when(lambda: len(of("publication", later)) == 2)
        await server.api("unsubscribe", user="inside", channel=later)
        await client.when(lambda: of("unsubscribed", later))
        await client.missing(server, channel, 4, 60)
        await client.when(lambda: len(of("publication", channel)) >= 60)
        self.assertEqual([context.pub.data for context in of("publication", channel)], numbered(1, 60))
        context = of("subscribed", channel)[-1]
        self.assertEqual((context.was_recovering, context.recovered), (True, True))

    async def test_channel_compaction(self):
        one, two = await self.enter(), await self.enter()
        names = [fresh("compact:"), fresh("compact:")]
        rooms = [await one.subscribe(name) for name in names]
        await two.subscribe(names[1])
        for name in names:
            await two.sdk.publish(name, name)
        for name, room in zip(names, rooms):
            await room.until("publication")
            self.assertEqual(room.data, [name])
        await rooms[1].until("join", 2)


class Recovery(Case):
    async def enter(self):
        return await self.client(server, token=jwt(sub=fresh("user")))

    async def test_recovery(self):
        client = await self.enter()
        channel = fresh("room:")
        room = await client.subscribe(channel)
        await server.publish_many(channel, 1, 5)
        await room.until("publication", 5)
        await client.missing(server, channel, 6, 150)
        await room.until("subscribed", 2)
        await server.publish_many(channel, 151, 155)
        await room.until("publication", 155)
        self.assertEqual(room.data, numbered(1, 155))
        self.assertEqual(room.outcomes, [(False, False), (True, True)])

    async def test_recovery_while_publications_go_on(self):
        client = await self.enter()
        channel = fresh("room:")
        room = await client.subscribe(channel)

        async def publish():
            for i in range(1, 601):
                await server.publish_many(channel, i, i)
                await asyncio.sleep(0.002)  # fewer are missed at a time than can be recovered

        publishing = asyncio.create_task(publish())
        while not publishing.done():
            await asyncio.sleep(0.15)
            client.wire.cut()
            await asyncio.sleep(0.02)
            client.wire.mend()
        await publishing
        await room.until("publication", 600, timeout=20)
        self.assertEqual(room.data, numbered(1, 600))
        self.assertGreater(len(room.outcomes), 2)

    async def test_recovery_fails(self):
        client = await self.enter()
        channel = fresh("short:")
        room = await client.subscribe(channel)
        await server.publish_many(channel, 1, 2)
        await room.until("publication", 2)
        await client.missing(server, channel, 3, 10)
        await room.until("subscribed", 2)
        self.assertEqual(room.outcomes[1], (True, False))
        self.assertEqual(room.last("subscribed").stream_position.offset, 10)

    async def test_recovery_fails_server_restarted(self):
        first = Server("token")
        client = await self.client(first, token=jwt(sub="x"))
        channel = fresh("room:")
        room = await client.subscribe(channel)
        await first.publish_many(channel, 1, 3)
        await room.until("publication", 3)
        self.assertEqual(await asyncio.to_thread(first.stop), 0)
        second = Server("token")
        try:
            await second.publish_many(channel, 4, 8)
            client.wire.target = second.port
            await room.until("subscribed", 2)
            self.assertEqual(room.outcomes[1], (True, False))
            await client.close()
        finally:
            self.assertEqual(await asyncio.to_thread(second.stop), 0)

    @unittest.skipIf(REFERENCE, "the reference does not know the flag of getState")
    async def test_get_state(self):
        client = await self.enter()
        channel = fresh("short:")
        await server.publish_many(channel, 1, 3)
        asked = []

        async def get_state(_):
            asked.append(1)
            top = await client.sdk.history(channel)
            return StreamPosition(top.offset - 1, top.epoch)

        room = await client.subscribe(channel, get_state=get_state)
        await room.until("publication")
        await client.missing(server, channel, 4, 7)
        await room.until("publication", 5)
        self.assertEqual((len(asked), room.data), (1, numbered(3, 7)))
        await client.missing(server, channel, 8, 20)
        await room.until("publication", 6)
        self.assertEqual((len(asked), room.data[-1]), (2, {"i": 20}))

    async def test_positioned_insufficient_state(self):
        user = fresh("user")
        client = await self.client(server, token=jwt(sub=user))
        channel = fresh("ask:")
        room = await client.subscribe(channel, positioned=True)
        context = room.last("subscribed")
        self.assertEqual((context.positioned, context.recoverable), (True, False))
        await server.api("unsubscribe", user=user, channel=channel, code=2500, reason="insufficient state")
        await room.until("subscribed", 2)
        self.assertEqual(room.last("subscribing").code, 2500)
        await server.publish_many(channel, 1, 1)
        await room.until("publication")
        self.assertEqual(len(client.all("connected")), 1)

    async def test_cache_recovery(self):
        client = await self.enter()
        channel = fresh("cache:")
        room = await client.subscribe(channel)
        await server.publish_many(channel, 1, 2)
        await room.until("publication", 2)
        await client.missing(server, channel, 3, 400)
        await room.until("publication", 3)
        self.assertEqual(room.data, [{"i": 1}, {"i": 2}, {"i": 400}])
        self.assertEqual(room.outcomes[1], (True, True))

    async def test_slow_client(self):
        client = await self.enter()
        channel = fresh("room:")
        room = await client.subscribe(channel)
        client.wire.flowing.clear()
        count = 0
        while count < 290 and (await server.api("presence_stats", channel=channel))["num_clients"] == 1:
            count += 1
            await server.api("publish", channel=channel, data={"i": count, "text": "x" * 60000})
        self.assertLess(count, 290, "the server never gave up the slow client")
        client.wire.flowing.set()
        await room.until("publication", count)
        self.assertEqual([data["i"] for data in room.data], list(range(1, count + 1)))
        self.assertEqual([context.code for context in client.all("connecting")], [0, 3008])


class DeltaAndTags(Case):
    async def enter(self):
        return await self.client(server, token=jwt(sub=fresh("user")))

    @staticmethod
    def versions(alphabet, count):
        roll = random.Random(42)
        text = roll.choices(alphabet, k=3000)
        for i in range(count):
            for _ in range(roll.randint(1, 4)):
                at = roll.randrange(len(text))
                text[at : at + roll.randint(0, 3)] = roll.choices(alphabet, k=roll.randint(0, 3))
            yield {"version": i, "text": "".join(text)}

    async def follow(self, alphabet):
        client = await self.enter()
        channel = fresh("delta:")
        room = await client.subscribe(channel, delta=DeltaType.FOSSIL)
        documents = list(self.versions(alphabet, 120))
        for document in documents[:60]:
            await server.api("publish", channel=channel, data=document)
        await room.until("publication", 60)
        await client.lost()
        for document in documents[60:70]:
            await server.api("publish", channel=channel, data=document)
        client.wire.mend()
        await room.until("publication", 70)
        await client.lost()
        client.wire.mend()
        await room.until("subscribed", 3)
        for document in documents[70:]:
            await server.api("publish", channel=channel, data=document)
        await room.until("publication", 120)
        self.assertEqual(room.data, documents)
        self.assertEqual(room.outcomes[1:], [(True, True)] * 2)

    async def test_delta_ASCII(self):
        await self.follow("abcdefghijklmnopqrstuvwxyz \"\\")

    @unittest.skipIf(REFERENCE, "patches of the reference may split characters")
    async def test_delta_Cyrillic(self):
        await self.follow("абвгдежзийклмнопрстуфхцчшщъыьэюя ")

    @unittest.skipIf(REFERENCE, "patches of the reference may split characters")
    async def test_delta_emoji(self):
        await self.follow("🙂🚀👩🏳🌈漢éa 🙃🙁\U0010ffff")

    async def test_tags_filter(self):
        client = await self.enter()
        channel = fresh("tags:")
        tags_filter = Filter.all(Filter.eq("kind", "a"), Filter.any(Filter.gt("price", "9"), Filter.negate(Filter.exists("price"))))
        room = await client.subscribe(channel, tags_filter=tags_filter)
        for i, tags in enumerate(({"kind": "a", "price": "9"}, {"kind": "a", "price": "10"}, {"kind": "b"}, {"kind": "a"}, {})):
            await server.api("publish", channel=channel, data=i, tags=tags)
        await room.until("publication", 2)
        await client.missing(server, channel, 1, 3)
        await server.api("publish", channel=channel, data=9, tags={"kind": "a"})
        await room.until("publication", 3)
        self.assertEqual(room.data, [1, 3, 9])
        self.assertEqual(room.outcomes[1], (True, True))


if __name__ == "__main__":
    unittest.main()
