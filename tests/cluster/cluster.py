"""Three relay processes and one Redis, with what all cases need of them."""

import time
from collections import Counter

import oracle
from harness import Connection, Node, Proxy, Redis, wait_for

PREFIX = "t"


class Settings:
    def __init__(self, program, full, seed, messages):
        self.program, self.full, self.seed, self.messages = program, full, seed, messages
        self.keep, self.root, self.folder = False, None, None

    def choose(self, short, full):
        return full if self.full else short


class Result:
    def __init__(self):
        self.counts, self.problems, self.notes, self.faults = Counter(), [], [], 0

    def problem(self, text):
        self.problems.append(text)

    def check(self, good, text):
        if not good:
            self.problem(text)
        return good

    def note(self, text):
        self.notes.append(text)


class Cluster:
    """`proxied` nodes, the first ones, reach Redis each through a proxy."""

    def __init__(self, settings, *redis_options, nodes=3, channels=100, subscribers=2, proxied=1, **arguments):
        self.settings = settings
        self.redis = Redis(settings.folder, *redis_options)
        self.proxies = [Proxy(self.redis.port) for _ in range(proxied)]
        self.proxy = self.proxies[0] if self.proxies else None
        self.channels = channels
        self.orders, self.churned = {}, 0
        self.nodes = []
        common = {"channels": channels, "subscribers": subscribers, "prefix": PREFIX, "seed": settings.seed,
                  "sweep": 2000, "probe": 1000, **arguments}
        for index in range(nodes):
            port = self.proxies[index].port if index < proxied else self.redis.port
            url = f"redis://127.0.0.1:{port}?command_timeout=1s&connect_timeout=1s&backoff_max=500ms"
            self.nodes.append(Node(settings.program, settings.folder, f"n{index + 1}", url=url, **common))

    def command(self, *words, timeout=20):
        connection = Connection(self.redis.port, timeout)
        try:
            return connection(*words)
        finally:
            connection.close()

    # ---- messages

    def subscribe(self, first=0, count=None, seconds=60):
        for node in self.nodes:
            node.tell(f"subscribe {first} {count or self.channels}")
        self.wait_subscribed(seconds)

    def wait_subscribed(self, seconds=60):
        wait_for("the subscriptions", lambda: all(node.stats()["wanted"] == 0 for node in self.nodes), seconds)

    def churn(self, rate):
        """Clients leave and come back, so many times per second and node."""
        self.churned = rate
        for node in self.nodes:
            node.tell(f"churn {rate}")

    def publish(self, count, rate=0, first=0, channels=None, window=256, payload=0, nodes=None):
        """`count` messages in all, so many per second and node."""
        nodes = nodes or self.nodes
        for node in nodes:
            share = count // len(nodes)
            self.orders[node] = [share, rate, first, channels or self.channels, window, payload]
            self.order(node)

    def order(self, node):
        node.tell("publish " + " ".join(str(word) for word in self.orders[node]))

    def restart_node(self, node):
        """Kill it, and start another for the same clients; it publishes the rest."""
        node.kill()
        node.start()
        node.tell(f"subscribe 0 {self.channels}")
        node.tell(f"churn {self.churned}")
        if node in self.orders:
            written = sum(1 for entry in oracle.records(node.journal) if entry[0] in "AF")
            rest = max(self.orders[node][0] - written, 0)
            if rest > 0:
                node.tell("publish " + " ".join(str(word) for word in [rest, *self.orders[node][1:]]))

    def is_published(self):
        return not any(node.is_stopped for node in self.nodes) and \
            all(stats["left"] == 0 and stats["in_flight"] == 0 for stats in [node.stats() for node in self.nodes])

    def settle(self, seconds=120, quiet=4.0):
        """Wait until everything is published and subscribed, and nothing is delivered any more."""
        wait_for("the publications", self.is_published, seconds * self.settings.choose(1, 10), 0.2)
        self.wait_subscribed(seconds)
        self.wait_quiet(quiet)

    def wait_quiet(self, quiet):
        last, since = None, time.monotonic()
        while time.monotonic() < since + quiet:
            now = [(stats["delivered"], stats["wanted"]) for stats in [node.stats() for node in self.nodes]]
            if now != last:
                last, since = now, time.monotonic()
            time.sleep(0.2)

    # ---- the end

    def compare(self, result, may_lose=False, trimmed=False):
        """What was seen against what is stored."""
        for node in self.nodes:
            node.flush()
            stats = node.stats()
            result.check(stats["errors"] == 0, f"{node.name}: answers that should not be:\n{node.complaints()}")
            result.counts["failed"] += stats["failed"]
            result.counts["retried"] += stats["retried"]
            result.counts["unknown"] += stats["unknown"]
        connection = Connection(self.redis.port, 120)
        streams = oracle.Streams(connection, PREFIX)
        connection.close()
        journals = [node.journal for node in self.nodes]
        if trimmed:
            streams.complete(journals)
        verdict = oracle.Verdict(streams, journals, may_lose)
        result.counts.update(verdict.counts)
        result.counts["published"] += verdict.counts["acknowledged"]
        for text in verdict.problems:
            result.problem(text)
        lost = verdict.counts["acknowledged, then lost by Redis"]
        if not may_lose:
            result.check(lost == 0, f"{lost} acknowledged publications are not stored")
        return streams, verdict

    def finish(self, result):
        for node in list(self.nodes):
            try:
                node.finish()
            except (RuntimeError, OSError, TimeoutError) as error:
                result.problem(str(error))
        for proxy in self.proxies:
            proxy.end()
        self.redis.end()
