"""What is done to the cluster while messages flow. Each fault begins, lasts for a while, and is taken back."""

import random
import time

from harness import RedisError, redis_version


class Faults:
    """Faults at random times, drawn from a seed; several may last at once."""

    def __init__(self, cluster, seed, kinds, pause, loses_tail):
        self.cluster, self.random = cluster, random.Random(seed)
        self.kinds, self.pause, self.loses_tail = kinds, pause, loses_tail
        self.ends = []  # (time, kind, function)
        self.deck = []  # every kind comes once before any comes again
        self.kill_again = 0
        self.done = {}
        self.next = time.monotonic() + 1

    def step(self):
        now = time.monotonic()
        for entry in [entry for entry in self.ends if entry[0] <= now]:
            self.ends.remove(entry)
            entry[2]()
        if now < self.next:
            return
        self.next = now + self.random.uniform(*self.pause)
        if not self.deck:
            self.deck = self.random.sample(self.kinds, len(self.kinds))
        kind = self.deck.pop()
        if kind not in [entry[1] for entry in self.ends]:
            self.begin(kind)

    def begin(self, kind):
        try:
            lasts = getattr(self, kind)()
        except (OSError, RedisError, ConnectionError):
            return  # Redis is away or stopped at the moment
        self.done[kind] = self.done.get(kind, 0) + 1
        if lasts is not None:
            self.ends.append((time.monotonic() + lasts[0], kind, lasts[1]))

    def all_over(self):
        for _, _, function in sorted(self.ends, key=lambda entry: entry[0]):
            function()
        self.ends = []

    # ---- Redis

    def redis_kill(self):
        redis = self.cluster.redis
        self.quick("DBSIZE")  # fails while the server is loading: it is to get something done in between
        if time.monotonic() < self.kill_again:
            raise ConnectionError
        self.kill_again = time.monotonic() + self.cluster.settings.choose(1, 15)
        redis.kill()
        if self.loses_tail:
            redis.lose_tail(self.random.randint(1, 200000))
        return self.random.uniform(0, 1.5), lambda: redis.start(wait=False)

    def redis_stop(self):
        redis = self.cluster.redis
        if redis.process.poll() is not None:
            raise ConnectionError
        redis.stop()
        return self.random.uniform(0.3, 3), redis.go_on

    def quick(self, *words):
        self.cluster.command(*words, timeout=0.5)

    def client_kill_normal(self):
        self.quick("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    def client_kill_pubsub(self):
        self.quick("CLIENT", "KILL", "TYPE", "pubsub")

    def client_pause(self):
        self.quick("CLIENT", "PAUSE", self.random.randint(200, 2500), self.random.choice(["ALL", "WRITE"]))

    def debug_sleep(self):
        try:
            self.quick("DEBUG", "SLEEP", round(self.random.uniform(0.2, 2.5), 2))
        except TimeoutError:
            pass

    def redis_rewrite(self):
        self.quick("BGREWRITEAOF")

    def scripts_gone(self):
        if redis_version() >= [7, 0]:
            self.quick("FUNCTION", "FLUSH")
        self.quick("SCRIPT", "FLUSH")

    def scripts_gone_of_old(self):
        self.quick("SCRIPT", "FLUSH")

    # ---- the network of one node

    def proxy_cut(self):
        self.cluster.proxy.cut()

    def proxy_cut_within(self):
        self.cluster.proxy.cut_after = self.random.randint(1, 5000)

    def proxy_stall(self):
        way = self.random.randint(0, 1)
        self.cluster.proxy.stalled[way] = True
        return self.random.uniform(0.2, 3), self.cluster.proxy.heal

    def proxy_swallow(self):
        way = self.random.randint(0, 1)
        self.cluster.proxy.swallowed[way] = True

        def heal():
            self.cluster.proxy.cut()  # what was swallowed leaves no connection that could be used
            self.cluster.proxy.heal()
        return self.random.uniform(0.2, 1.5), heal

    def proxy_refuse(self):
        self.cluster.proxy.refuse = True
        self.cluster.proxy.cut()
        return self.random.uniform(0.2, 2), self.cluster.proxy.heal

    # ---- nodes

    def node_stop(self):
        node = self.random.choice(self.cluster.nodes)
        node.pause()
        return self.random.uniform(0.3, 4), node.go_on

    def node_kill(self):
        node = self.random.choice(self.cluster.nodes)
        if node.is_stopped:
            raise ConnectionError
        self.cluster.restart_node(node)


ALL = [name for name in vars(Faults) if name.startswith(("redis_", "client_", "debug_", "scripts_", "proxy_", "node_"))]
ALL.remove("scripts_gone_of_old")
