"""A client for tests of several languages: peer.py URL TOKEN CHANNEL

Prints a line of JSON for everything it hears in the channel, and publishes every line of its standard input there."""

import asyncio
import json
import sys

import centrifuge


class Events(centrifuge.SubscriptionEventHandler):
    @staticmethod
    def tell(**what):
        print(json.dumps(what), flush=True)

    async def on_subscribed(self, ctx):
        self.tell(event="subscribed")

    async def on_publication(self, ctx):
        self.tell(event="publication", data=ctx.pub.data, offset=ctx.pub.offset, user=ctx.pub.info and ctx.pub.info.user)

    async def on_join(self, ctx):
        self.tell(event="join", user=ctx.info.user)

    async def on_leave(self, ctx):
        self.tell(event="leave", user=ctx.info.user)


async def main(url, token, channel):
    client = centrifuge.Client(url, token=token, proxy=None)
    subscription = client.new_subscription(channel, events=Events(), delta=centrifuge.DeltaType.FOSSIL)
    await client.connect()
    await subscription.subscribe()
    while line := await asyncio.to_thread(sys.stdin.readline):
        await subscription.publish(json.loads(line))
    await client.disconnect()


asyncio.run(main(*sys.argv[1:]))
