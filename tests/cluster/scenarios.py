"""The cases. Each takes the settings and returns a cluster.Result."""

import os
import time
from collections import Counter

from cluster import PREFIX, Cluster, Result
from faults import ALL, Faults
from harness import Proxy, Redis, redis_version, wait_for

AOF_ALWAYS = ("--appendonly", "yes", "--appendfsync", "always")
AOF_EVERYSEC = ("--appendonly", "yes", "--appendfsync", "everysec", "--aof-load-truncated", "yes")


def end(cluster, result, **how):
    streams, verdict = cluster.compare(result, **how)
    cluster.finish(result)
    return streams, verdict


# ---- messages flow while everything breaks

def flow(settings, redis_options, kinds, may_lose, part=1, churn=0, **arguments):
    result = Result()
    count = (settings.messages or settings.choose(15000, 1000000)) // part
    channels = settings.choose(100, 1000)
    cluster = Cluster(settings, *redis_options, channels=channels, **arguments)
    cluster.subscribe()
    cluster.churn(churn)
    began = time.monotonic()
    cluster.publish(count, rate=settings.choose(500, 4000), window=settings.choose(512, 2048))
    faults = Faults(cluster, settings.seed, kinds, settings.choose((0.4, 1.5), (0.5, 3)), may_lose)
    limit = time.monotonic() + settings.choose(120, 3600)
    while not cluster.is_published():
        if time.monotonic() > limit:
            result.problem(f"the publications do not end: {[node.stats() for node in cluster.nodes]}")
            break
        faults.step()
        time.sleep(0.05)
    faults.all_over()
    cluster.churn(0)
    cluster.settle(quiet=settings.choose(2.5, 6))
    seconds = time.monotonic() - began
    result.faults = sum(faults.done.values())
    result.note(f"faults: {faults.done}")
    streams, _ = end(cluster, result, may_lose=may_lose)
    result.note(f"{streams.count():,} stored, {result.counts['acknowledged']:,} acknowledged, "
                f"{result.counts['failed']:,} failed, {result.counts['retried']:,} tried again; "
                f"{result.counts['acknowledged'] / seconds:,.0f} publications and "
                f"{result.counts['deliveries'] / seconds:,.0f} deliveries per second, faults included")
    result.note(f"seen, then lost by Redis: {result.counts['seen, then lost by Redis']:,}; "
                f"acknowledged, then lost: {result.counts['acknowledged, then lost by Redis']:,}")
    if not may_lose:
        result.check(result.counts["recovered: false"] == 0 or result.counts["seen, then lost by Redis"] > 0,
                     "clients were told of losses, and nothing was lost")
    return result


def flow_always(settings):
    """Redis keeps what it has acknowledged: nothing is lost, nobody is told so, and no sweep is needed for it."""
    return flow(settings, AOF_ALWAYS, ALL + ["redis_kill"] * 2, False, away_wait=1500, sweep=0)


def flow_power_loss(settings):
    """Each crash of Redis takes the end of its file along."""
    kinds = [kind for kind in ALL if kind != "redis_kill"] + ["redis_kill"] * 6
    return flow(settings, AOF_EVERYSEC, kinds, True)


def flow_scripts(settings):
    """A server that lets us have no functions."""
    without = ("--rename-command", "FUNCTION", "", "--rename-command", "FCALL", "")
    without = AOF_ALWAYS + (without if redis_version() >= [7, 0] else ())
    kinds = [kind for kind in ALL if kind != "scripts_gone"] + ["scripts_gone_of_old"]
    return flow(settings, without, kinds, False, part=settings.choose(2, 10))


def flow_churn(settings):
    """Rooms are opened and closed all the time; publications fail early and are tried again with their keys."""
    return flow(settings, AOF_ALWAYS, ALL, False, part=settings.choose(2, 4), churn=settings.choose(200, 1000),
                subscribers=1, away_wait=300, sweep=0)


def trimmed(settings):
    """Nodes that stand still for longer than the history lasts: what they have missed is gone, and they are told."""
    result = Result()
    cluster = Cluster(settings, *AOF_ALWAYS, "--stream-node-max-entries", "10", channels=10, history=40)
    cluster.subscribe()
    cluster.publish(settings.choose(6000, 200000), rate=settings.choose(400, 2500))
    end_of_it = time.monotonic() + settings.choose(8, 60)
    while time.monotonic() < end_of_it and not cluster.is_published():
        cluster.nodes[1].pause()
        cluster.command("CLIENT", "KILL", "TYPE", "pubsub")
        cluster.proxy.stalled = [False, True]  # what is on its way to Redis arrives, and the answers do not
        time.sleep(0.1)
        cluster.proxy.refuse = True
        cluster.proxy.cut()
        time.sleep(1.2)
        cluster.proxy.heal()
        cluster.nodes[1].go_on()
        time.sleep(0.8)
        result.faults += 1
    cluster.settle(quiet=settings.choose(2.5, 4))
    _, verdict = end(cluster, result, may_lose=True, trimmed=True)
    result.check(verdict.counts["recovered: false"] > 0, "the test has trimmed nothing that somebody missed")
    return result


def moved(settings):
    """A client goes from one node to another one that has not heard yet what the client has."""
    result = Result()
    cluster = Cluster(settings, *AOF_ALWAYS, channels=4, subscribers=1)
    slow, quick = cluster.nodes[:2]
    cluster.subscribe()
    for round_ in range(settings.choose(3, 20)):
        cluster.proxy.stalled = [False, True]
        quick.tell(f"open q{round_} mover")
        first = quick.ask(f"q{round_}", type="subscribe", channel="c0")["data"]
        quick.tell(f"open one{round_} solo")
        for number in range(5):
            quick.ask(f"one{round_}", type="publish", channel="c0", data={"data": f"m9/{round_ * 10 + number + 1}"})
        wait_for("the messages", lambda: len(quick.pushes(f"q{round_}", "message")) == 5, 10, 0.01)
        last = quick.pushes(f"q{round_}", "message")[-1]["data"]
        slow.tell(f"open q{round_} mover")
        slow.tell(f'send q{round_} {{"id":9,"type":"subscribe","channel":"c0","data":{{"recover":true,'
                  f'"offset":{last["offset"]},"epoch":"{first["epoch"]}"}}}}')
        time.sleep(0.3)
        cluster.proxy.heal()
        reply = slow.reply(f"q{round_}", 9, 15)
        result.check(reply.get("data", {}).get("recovered") is True, f"a client that is ahead of its node: {reply}")
        quick.ask(f"one{round_}", type="publish", channel="c0", data={"data": f"m9/{round_ * 10 + 6}"})
        wait_for("what follows", lambda: slow.pushes(f"q{round_}", "message"), 10, 0.01)
        time.sleep(0.2)
        seen = [push["data"]["offset"] for push in slow.pushes(f"q{round_}", "message")]
        result.check(seen == [last["offset"] + 1], f"a client that is ahead of its node has {last} and got {seen}")
        result.faults += 1
    cluster.settle(quiet=1)
    end(cluster, result)
    return result


# ---- Redis comes back with other data

def other_data(settings, prepare, lose):
    result = Result()
    cluster = Cluster(settings, channels=40, proxied=0)
    count = settings.choose(2000, 40000)
    cluster.subscribe()
    cluster.publish(count, rate=count // 4)
    if prepare is not None:
        time.sleep(0.6)
        prepare(cluster)
    time.sleep(0.8)
    lose(cluster)
    cluster.settle(quiet=8)  # losses without a later message are found by looking now and then
    _, verdict = end(cluster, result, may_lose=True)
    result.faults = 1
    result.check(verdict.counts["recovered: false"] > 0, "nobody was told")
    result.note(f"{verdict.counts['acknowledged, then lost by Redis']:,} acknowledged publications lost by Redis, "
                f"{verdict.counts['recovered: false']:,} times told")
    return result


def restart_of(cluster):
    cluster.redis.kill()
    time.sleep(0.2)
    cluster.redis.start()


def empty_restart(settings):
    return other_data(settings, None, restart_of)


def empty_restarts(settings):
    def thrice(cluster):
        for _ in range(3):
            restart_of(cluster)
            time.sleep(0.4)
    return other_data(settings, None, thrice)


def old_copy(settings):
    return other_data(settings, lambda cluster: cluster.command("SAVE"), restart_of)


def old_copy_twice(settings):
    """Back to the same copy again: offsets handed out in between are not given anew."""
    def twice(cluster):
        restart_of(cluster)
        time.sleep(0.7)
        restart_of(cluster)
    return other_data(settings, lambda cluster: cluster.command("SAVE"), twice)


def flush_all(settings):
    return other_data(settings, None, lambda cluster: cluster.command("FLUSHALL"))


def failover(settings):
    """A replica takes over without the last writes; one node notices later than the others, and goes on writing to the
    old master, which acknowledges."""
    result = Result()
    cluster = Cluster(settings, channels=40, proxied=3)
    replica = Redis(settings.folder)
    between = Proxy(cluster.redis.port)
    replica.command("REPLICAOF", "127.0.0.1", between.port)
    wait_for("the replica", lambda: b"master_link_status:up" in replica.command("INFO", "replication"), 20)
    cluster.subscribe()
    count = settings.choose(3000, 60000)
    cluster.publish(count, rate=settings.choose(300, 2500))
    time.sleep(1)
    between.stalled = [True, True]
    time.sleep(0.3)
    between.refuse = True
    between.cut()
    replica.command("REPLICAOF", "NO", "ONE")
    for proxy in cluster.proxies:
        proxy.upstream = replica.port
        proxy.cut()
        time.sleep(settings.choose(0.5, 3) if proxy is cluster.proxies[1] else 0)
    cluster.redis.end()
    cluster.redis = replica
    cluster.settle(quiet=8)
    _, verdict = end(cluster, result, may_lose=True)
    between.end()
    result.faults = 1
    lost = verdict.counts["acknowledged, then lost by Redis"]
    result.check(lost > 0, "the test has lost nothing")
    result.note(f"{lost:,} acknowledged publications lost by the failover, {verdict.counts['recovered: false']:,} times "
                f"told")
    return result


# ---- Redis refuses

def publish_one(node, channel, text, seconds=30, **more):
    """One publication by a client of its own: (reply, seconds it took)."""
    began = time.monotonic()
    reply = node.ask("one", seconds, type="publish", channel=channel, data={"data": text, **more})
    return reply, time.monotonic() - began


def is_temporary(reply):
    return reply.get("error", {}).get("temporary") is True


def lengths(cluster):
    keys = cluster.command("KEYS", f"{PREFIX}:*:s:c*")
    return {key: cluster.command("XLEN", key) for key in keys}


def memory_full(settings):
    result = Result()
    cluster = Cluster(settings, *AOF_ALWAYS, channels=20, proxied=0, away_wait=2000)
    node = cluster.nodes[0]
    node.tell("open one solo")
    cluster.subscribe()
    cluster.publish(settings.choose(3000, 60000), rate=settings.choose(300, 3000))
    time.sleep(0.7)
    cluster.command("CONFIG", "SET", "maxmemory", "100000")
    time.sleep(0.3)
    before = lengths(cluster)
    reply, seconds = publish_one(node, "c0", "full")
    result.check(is_temporary(reply), f"memory full: {reply}")
    result.check(seconds < 4, f"memory full: the error took {seconds:.1f} s")
    result.check(lengths(cluster) == before, "memory full: something was stored")
    time.sleep(settings.choose(1, 10))
    cluster.command("CONFIG", "SET", "maxmemory", "0")
    cluster.settle(quiet=settings.choose(2, 4))
    reply, _ = publish_one(node, "c0", "m9/1")
    result.check("data" in reply, f"after memory was full: {reply}")
    cluster.wait_quiet(1)
    result.faults = 1
    end(cluster, result)
    result.check(result.counts["recovered: false"] == 0, "clients were told of losses")
    return result


def read_only(settings):
    result = Result()
    cluster = Cluster(settings, *AOF_ALWAYS, channels=20, proxied=0, away_wait=2000)
    node = cluster.nodes[0]
    node.tell("open one solo")
    cluster.subscribe()
    cluster.publish(settings.choose(3000, 60000), rate=settings.choose(300, 3000))
    time.sleep(0.7)

    def connections():
        text = cluster.command("INFO", "stats").decode()
        return int(text.split("total_connections_received:")[1].split()[0])
    cluster.command("REPLICAOF", "127.0.0.1", "1")
    before, asked = connections(), time.monotonic()
    reply, seconds = publish_one(node, "c0", "nobody stores this")
    result.check(is_temporary(reply), f"read-only: {reply}")
    time.sleep(settings.choose(2, 15))
    made = connections() - before - 1
    limit = 6 * len(cluster.nodes) + 4 * (time.monotonic() - asked)
    result.check(made <= limit, f"read-only: {made} connections were made")
    cluster.command("REPLICAOF", "NO", "ONE")
    back = time.monotonic()
    reply, seconds = publish_one(node, "c0", "m9/1", 10)
    while is_temporary(reply) and time.monotonic() < back + 10:
        reply, seconds = publish_one(node, "c0", "m9/1", 10)
    result.check("data" in reply, f"writable again: {reply}")
    result.note(f"{made} connections while read-only; writable again: first publication after "
                f"{time.monotonic() - back:.1f} s")
    cluster.settle(quiet=settings.choose(2, 4))
    result.faults = 1
    end(cluster, result)
    result.check(result.counts["recovered: false"] == 0, "clients were told of losses")
    return result


def output_buffer(settings):
    """A node that reads too slowly is thrown out by Redis."""
    result = Result()
    limit = ("--client-output-buffer-limit", "pubsub", "256kb", "128kb", "1")
    cluster = Cluster(settings, *AOF_ALWAYS, *limit, channels=10, proxied=1)
    cluster.subscribe()
    others = cluster.nodes[1:]
    cluster.publish(settings.choose(2000, 20000), payload=8000, window=64, nodes=others)
    for _ in range(settings.choose(1, 6)):
        time.sleep(0.5)
        cluster.proxy.slow_down = 512
        time.sleep(1.5)
        cluster.proxy.slow_down = 0
    cluster.settle(quiet=settings.choose(2, 4))
    with open(os.path.join(cluster.redis.folder, "log")) as log:
        thrown = log.read().count("output buffer limits")
    result.faults = thrown
    result.check(thrown > 0, "the test has not filled the output buffer")
    result.note(f"thrown out by Redis {thrown} times")
    end(cluster, result)
    result.check(result.counts["recovered: false"] == 0, "clients were told of losses")
    return result


def key_of(cluster, channel):
    found = cluster.command("KEYS", f"{PREFIX}:*:s:{channel}")
    return found[0] if found else None


def wrong_type(settings):
    result = Result()
    cluster = Cluster(settings, *AOF_ALWAYS, channels=20, proxied=0, away_wait=2000)
    node, other = cluster.nodes[:2]
    node.tell("open one solo")
    other.tell("open two duo")
    cluster.subscribe()
    cluster.publish(settings.choose(2000, 40000), rate=settings.choose(300, 3000), first=1, channels=19)
    publish_one(node, "c0", "m9/1")
    key = key_of(cluster, "c0")
    cluster.command("DEL", key)
    cluster.command("SET", key, "not a stream")
    reply, seconds = publish_one(node, "c0", "m9/2")
    result.check("error" in reply, f"wrong type: {reply}")
    result.check(seconds < 4, f"wrong type: the error took {seconds:.1f} s")
    result.note(f"the answer in that channel: {reply.get('error')}")
    answer = other.ask("two", 15, type="subscribe", channel="c0")
    result.check("error" in answer or "data" in answer, f"wrong type: no answer to a subscribe: {answer}")
    reply, _ = publish_one(node, "c1", "m9/3")
    result.check("data" in reply, f"another channel: {reply}")
    for each in cluster.nodes:
        result.check(each.stats()["downs"] == 0, f"{each.name} says that the broker is down")
    cluster.command("DEL", key)
    reply, _ = publish_one(node, "c0", "m9/4")
    result.check("data" in reply, f"the key is gone: {reply}")
    cluster.settle(quiet=settings.choose(2.5, 4))
    result.faults = 1
    _, verdict = end(cluster, result, may_lose=True)
    elsewhere = [entry for entry in verdict.gone if entry[0] != 0]
    result.check(not elsewhere, f"lost in other channels: {elsewhere[:5]}")
    return result


# ---- people

def enter(node, name, user, channel, wait=True):
    node.tell(f"open {name} {user}")
    reply = node.ask(name, type="subscribe", channel=channel)
    if "data" not in reply:
        raise RuntimeError(f"{name} cannot enter: {reply}")
    if wait:
        wait_for(f"the join of {name}", lambda: node.pushes(name, "join"), 10, 0.01)


def told(node, watcher, kind, since=0):
    """How often the watcher was told of each user: ({user: of the user}, {user: of a session})."""
    users, sessions = Counter(), Counter()
    for push in node.pushes(watcher, kind, since):
        info = push["data"]["info"]
        (sessions if "client" in info else users)[info["user"]] += 1
    return users, sessions


def presence(node, watcher, channel):
    data = node.ask(watcher, type="presence", channel=channel)["data"]
    return data["num_users"], data["num_sessions"], {user["user"] for user in data["users"]}


def expect_once(result, what, got, users):
    wanted = Counter(dict.fromkeys(users, 1))
    result.check(got == wanted, f"{what}: told {dict(got)}, not {dict(wanted)}")


def crowd(settings, ttl):
    cluster = Cluster(settings, *AOF_ALWAYS, channels=1, subscribers=0, proxied=1, presence_ttl=ttl)
    watchers = [(node, f"w{node.name}") for node in cluster.nodes]
    for node, watcher in watchers:
        enter(node, watcher, watcher, "p1")
    return cluster, watchers


def presence_of_nodes(settings):
    """Joins and leaves across nodes, each told once; then a connection is lost on the way, and Redis is restarted."""
    result = Result()
    cluster, watchers = crowd(settings, 3000)
    count = settings.choose(20, 100)
    everybody = []
    for index in range(count):
        node = cluster.nodes[index % 3]
        enter(node, f"x{index}", f"u{index}", "p1", wait=False)
        everybody.append((node, f"x{index}", f"u{index}"))
        if index == count // 3:
            cluster.proxy.cut()
    node, watcher = watchers[2]
    wait_for("the joins", lambda: presence(node, watcher, "p1")[:2] == (count + 3, count + 3), 15)
    time.sleep(settings.choose(4, 8))
    result.check(presence(node, watcher, "p1")[0] == count + 3, "somebody vanished who is there")
    for each, name, _ in everybody[count // 2:]:
        each.tell(f"close {name}")
    gone = [user for _, _, user in everybody[count // 2:]]
    rest = count - len(gone) + 3
    wait_for("the leaves", lambda: presence(node, watcher, "p1")[0] == rest, 15)
    time.sleep(1)
    for node, watcher in watchers[1:]:
        users, sessions = told(node, watcher, "leave")
        expect_once(result, f"leaves of users, at {watcher}", users, gone)
        expect_once(result, f"leaves of sessions, at {watcher}", sessions, gone)
        joined = [user for _, _, user in everybody] + [name for _, name in watchers if name >= watcher]
        expect_once(result, f"joins of users, at {watcher}", told(node, watcher, "join")[0], joined)
    cluster.redis.kill()
    time.sleep(0.5)
    cluster.redis.start()
    time.sleep(settings.choose(5, 10))
    node, watcher = watchers[0]
    wait_for("presence after a restart", lambda: presence(node, watcher, "p1")[0] == rest, 10)
    since = told(*watchers[1], "leave")[0]
    expect_once(result, "leaves after a restart of Redis", since, gone)
    cluster.command("FLUSHALL")
    time.sleep(settings.choose(5, 10))
    wait_for("presence after FLUSHALL", lambda: presence(node, watcher, "p1")[0] == rest, 10)
    expect_once(result, "leaves after FLUSHALL", told(*watchers[1], "leave")[0], gone)
    result.faults = 3
    cluster.finish(result)
    return result


def presence_crash(settings):
    """kill -9 of a node: within the TTL its users are gone and their leaves told once; a user who is on another node
    too has not left."""
    result = Result()
    ttl = 3000
    cluster, watchers = crowd(settings, ttl)
    count = settings.choose(10, 50)
    victim = cluster.nodes[1]
    for index in range(count):
        enter(victim, f"x{index}", f"u{index}", "p1")
        enter(cluster.nodes[2], f"y{index}", f"v{index}", "p1")
    enter(victim, "both1", "both", "p1")
    enter(cluster.nodes[2], "both2", "both", "p1")
    node, watcher = watchers[0]
    wait_for("the joins", lambda: presence(node, watcher, "p1")[1] == 2 * count + 5, 10)
    began = time.monotonic()
    victim.kill()
    wait_for("the crashed node's users to go", lambda: presence(node, watcher, "p1")[1] == count + 3, ttl / 1000 + 5)
    seconds = time.monotonic() - began
    result.note(f"a crashed node's users were gone after {seconds:.1f} s; the TTL is {ttl / 1000} s")
    result.check(seconds <= ttl / 1000 + 2, f"the users were gone after {seconds:.1f} s only")
    time.sleep(2.5)
    for node, watcher in (watchers[0], watchers[2]):
        users, sessions = told(node, watcher, "leave")
        expect_once(result, f"leaves of users, at {watcher}", users,
                    [f"u{index}" for index in range(count)] + [watchers[1][1]])
        expect_once(result, f"leaves of sessions, at {watcher}", sessions,
                    [f"u{index}" for index in range(count)] + [watchers[1][1], "both"])
    result.faults = 1
    cluster.nodes.remove(victim)
    victim.end()
    cluster.finish(result)
    return result


def presence_stopped(settings):
    """A node that stands still for longer than its lease: its users leave, and come back with it."""
    result = Result()
    ttl = 3000
    cluster, watchers = crowd(settings, ttl)
    count = settings.choose(10, 50)
    victim = cluster.nodes[1]
    for index in range(count):
        enter(victim, f"x{index}", f"u{index}", "p1")
    node, watcher = watchers[0]
    wait_for("the joins", lambda: presence(node, watcher, "p1")[1] == count + 3, 10)
    victim.pause()
    wait_for("the stopped node's users to go", lambda: presence(node, watcher, "p1")[1] == 2, ttl / 1000 + 5)
    time.sleep(1.5)
    users = [f"u{index}" for index in range(count)] + [watchers[1][1]]
    expect_once(result, "leaves while it stood still", told(node, watcher, "leave")[0], users)
    back = time.monotonic()
    victim.go_on()
    wait_for("the users to come back", lambda: presence(node, watcher, "p1")[1] == count + 3, ttl / 1000 + 5)
    result.note(f"they were back {time.monotonic() - back:.1f} s after the node went on")
    time.sleep(2)
    expect_once(result, "joins after it went on", told(node, watcher, "join", back)[0], users)
    expect_once(result, "leaves in all", told(node, watcher, "leave")[0], users)
    result.check(presence(node, watcher, "p1")[1] == count + 3, "presence is not stable")
    result.faults = 1
    cluster.finish(result)
    return result


# ---- Redis is away

def away(settings):
    """What a publication and a subscribe do then, as the options say; the clients stay."""
    result = Result()
    cluster = Cluster(settings, *AOF_ALWAYS, channels=20, proxied=0, nodes=2, away_wait=3000)
    waits, fails = cluster.nodes
    fails.kill()
    fails.arguments.update(away_publish=1, away_subscribe=1)
    fails.start()
    for node in cluster.nodes:
        node.tell("open one solo")
        publish_one(node, "c0", "m9/1" if node is waits else "m9/2")
    cluster.subscribe()
    cluster.redis.kill()
    time.sleep(0.5)
    reply, seconds = publish_one(fails, "c0", "m9/3")
    result.check(is_temporary(reply) and seconds < 0.5, f"publish that fails: {reply} after {seconds:.1f} s")
    fails.tell("open late latecomer")
    answer = fails.ask("late", type="subscribe", channel="d1")
    result.check(is_temporary(answer), f"subscribe that fails: {answer}")
    reply, seconds = publish_one(waits, "c0", "m9/4")
    result.check(is_temporary(reply) and 2 < seconds < 5, f"publish that waits 3 s: {reply} after {seconds:.1f} s")
    waits.tell('send one {"id":700,"type":"publish","channel":"c0","data":{"data":"m9/5"}}')
    waits.tell("open late latecomer")
    waits.tell('send late {"id":701,"type":"subscribe","channel":"d1"}')
    time.sleep(0.5)
    cluster.redis.start()
    reply = waits.reply("one", 700, 10)
    result.check("data" in reply, f"publish that waited for Redis: {reply}")
    reply = waits.reply("late", 701, 10)
    result.check("data" in reply, f"subscribe that waited for Redis: {reply}")
    wait_for("the other node", lambda: "data" in publish_one(fails, "c0", "m9/6")[0], 10)
    cluster.settle(quiet=2)
    for node in cluster.nodes:
        result.check(node.stats()["ended"] == 0, f"{node.name}: clients were disconnected")
        result.check(not [text for _, word, text in node.events if word == "ended"], "clients were disconnected")
    result.faults = 1
    streams, _ = end(cluster, result)
    stored = streams.ids.get(0, [])
    result.check(all(stored.count(9 << 40 | number) == 0 for number in (3, 4)), "what was refused is stored")
    return result




def outage(settings):
    """Long without Redis, while clients go on publishing: memory stays within bounds, then everything resumes."""
    result = Result()
    cluster = Cluster(settings, *AOF_ALWAYS, channels=20, proxied=0, max_waiting=8 << 20)
    cluster.subscribe()
    cluster.publish(settings.choose(1800, 60000), rate=settings.choose(200, 1000), payload=4000, window=4000)
    time.sleep(1)
    before = [node.memory() for node in cluster.nodes]
    cluster.redis.kill()
    most = list(before)
    for _ in range(settings.choose(6, 60)):
        time.sleep(1)
        most = [max(now, node.memory()) for now, node in zip(most, cluster.nodes)]
    cluster.redis.start()
    cluster.settle(quiet=settings.choose(2, 5))
    grown = max(now - was for now, was in zip(most, before)) >> 20
    result.note(f"memory grew by {grown} MiB while Redis was away")
    with open(settings.program, "rb") as program:
        is_sanitized = b"__asan_init" in program.read()
    result.check(grown < (400 if is_sanitized else 64), f"memory grew by {grown} MiB")
    result.faults = 1
    end(cluster, result)
    result.check(result.counts["recovered: false"] == 0, "clients were told of losses")
    return result


PARTS = {
    "flow": [flow_always, flow_power_loss, flow_scripts, flow_churn, trimmed, moved],
    "data": [empty_restart, empty_restarts, old_copy, old_copy_twice, flush_all, failover],
    "refusals": [memory_full, read_only, output_buffer, wrong_type, away, outage],
    "people": [presence_of_nodes, presence_crash, presence_stopped]}
CASES = {function.__name__: function for part in PARTS.values() for function in part}
LONG = {"empty_restarts", "old_copy", "flush_all"}  # in the full form only


def chosen(full, part, only):
    names = [function.__name__ for function in PARTS[part]] if part else list(CASES)
    if only:
        return [name for name in names if name in only]
    return [name for name in names if full or name not in LONG]
