"""The processes of a cluster test: a redis-server, relay processes, and a proxy between the two. All of them end with
the test, however it ends."""

import ctypes
import functools
import glob
import json
import os
import queue
import re
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ALIVE = []
REDIS_SERVER = os.environ.get("SRL_REDIS_SERVER") or "redis-server"


@functools.lru_cache(maxsize=None)
def redis_version():
    """[6, 2] of "Redis server v=6.2.14 sha=..."; None if there is no such program."""
    if shutil.which(REDIS_SERVER) is None:
        return None
    told = subprocess.run([REDIS_SERVER, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return [int(number) for number in re.search(r" v=(\d+)\.(\d+)", told).groups()]


def die_with_parent():
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what, condition, seconds, pause=0.05):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(pause)


def end_all():
    for thing in list(ALIVE):
        thing.end()


class RedisError(Exception):
    pass


class Connection:
    """A blocking connection to Redis, without any code of the library."""

    def __init__(self, port, timeout=20):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.file = self.socket.makefile("rb", 1 << 20)

    def close(self):
        self.file.close()
        self.socket.close()

    def send(self, *words):
        words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        self.socket.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))

    def read(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server hung up")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest
        if kind == b"-":
            return RedisError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        return None if rest == b"-1" else [self.read() for _ in range(int(rest))]

    def __call__(self, *words):
        self.send(*words)
        reply = self.read()
        if isinstance(reply, RedisError):
            raise reply
        return reply


class Redis:
    """A redis-server in a folder of its own; the port stays the same through restarts."""

    def __init__(self, folder, *options):
        self.folder = tempfile.mkdtemp(prefix="redis-", dir=folder)
        self.port = free_port()
        self.options = options
        self.process = None
        ALIVE.append(self)
        self.start()

    def start(self, wait=True):
        log = open(os.path.join(self.folder, "log"), "ab")
        debug = ["--enable-debug-command", "yes"] if redis_version() >= [7, 0] else []
        self.process = subprocess.Popen(
            [REDIS_SERVER, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.folder, "--save", "",
             "--daemonize", "no", "--auto-aof-rewrite-percentage", "0", "--stream-node-max-bytes", "16384", *debug,
             *self.options],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent)
        log.close()
        if wait:
            wait_for("redis-server", self.answers, 60)

    def answers(self):
        try:
            return self.command("DBSIZE") is not None
        except (OSError, RedisError, ConnectionError):
            if self.process.poll() is not None:
                raise RuntimeError(open(os.path.join(self.folder, "log")).read()[-2000:])
            return False

    def command(self, *words):
        connection = Connection(self.port)
        try:
            return connection(*words)
        finally:
            connection.close()

    def kill(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def lose_tail(self, count):
        """What a power cut does to a file that was not synchronised; the server is not running. The cut is between
        two transactions: when it is in the middle of a command of one, Redis 7.0 keeps the transaction's beginning in
        the file, appends to it, and runs it with the next load."""
        path = max(glob.glob(os.path.join(self.folder, "appendonlydir", "*.incr.aof")) +
                   glob.glob(os.path.join(self.folder, "appendonly.aof")), key=os.path.getmtime)
        with open(path, "rb") as file:
            data = file.read()
        begin = b"*1\r\n$5\r\nMULTI\r\n"
        cut = data.rfind(begin, 0, max(0, len(data) - count))
        if cut < 0 and data.startswith(b"REDIS"):  # 6.2 has the last rewrite in front, in the same file
            cut = data.find(begin) if begin in data else len(data)
        os.truncate(path, max(0, cut))

    def empty_folder(self):
        for name in os.listdir(self.folder):
            path = os.path.join(self.folder, name)
            if os.path.isdir(path):
                shutil.rmtree(path)
            elif name != "log":
                os.unlink(path)

    def end(self):
        if self in ALIVE:
            ALIVE.remove(self)
            self.kill()


class Node:
    """A relay process; see node.c for what it can be told."""

    def __init__(self, program, folder, name, **arguments):
        self.program, self.name = program, name
        self.journal = os.path.join(folder, f"{name}.journal")
        self.arguments = arguments
        self.generation = 0
        self.process = None
        self.errors = os.path.join(folder, f"{name}.errors")
        self.is_stopped = False
        ALIVE.append(self)
        self.start()

    def start(self):
        self.generation += 1
        self.frames, self.events, self.answers = [], [], queue.Queue()
        words = [self.program, "--journal", self.journal, "--number",
                 str(int(self.name[1:]) * 1000 + self.generation)]
        for name, value in self.arguments.items():
            words += ["--" + name.replace("_", "-"), str(value)]
        with open(self.errors, "ab") as errors:
            self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                                            text=True, bufsize=1, preexec_fn=die_with_parent)
        self.reader = threading.Thread(target=self.read, args=(self.process, self.answers), daemon=True)
        self.reader.start()
        self.expect("ready", 60)

    def read(self, process, answers):
        for line in process.stdout:
            word, _, rest = line.rstrip("\n").partition(" ")
            if word == "frame":
                name, _, frame = rest.partition(" ")
                self.frames.append((time.monotonic(), name, json.loads(frame)))
            elif word in ("event", "ended"):
                self.events.append((time.monotonic(), word, rest))
            else:
                answers.put((word, rest))
        answers.put(("closed", ""))

    def expect(self, word, seconds=30):
        got, rest = self.answers.get(timeout=seconds)
        if got != word:
            raise RuntimeError(f"{self.name}: {got} {rest} instead of {word}; it said:\n{self.complaints()}")
        return rest

    def complaints(self):
        with open(self.errors, "rb") as file:
            return file.read()[-6000:].decode("utf-8", "replace")

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def stats(self):
        self.tell("stats")
        return json.loads(self.expect("stats", 60))

    def flush(self):
        self.tell("flush")
        self.expect("flushed", 60)

    def pushes(self, name, kind=None, since=0):
        return [frame["push"] for at, who, frame in list(self.frames)
                if who == name and at >= since and "push" in frame and kind in (None, frame["push"]["type"])]

    def ask(self, name, seconds=30, **command):
        """Send a command of the session and wait for its reply."""
        self.asked = getattr(self, "asked", 1000) + 1
        self.tell(f"send {name} " + json.dumps({"id": self.asked, **command}, separators=(",", ":")))
        return self.reply(name, self.asked, seconds)

    def reply(self, name, number, seconds=30):
        found = []

        def look():
            found[:] = [frame["reply"] for _, who, frame in list(self.frames)
                        if who == name and frame.get("reply", {}).get("id") == number]
            return found
        wait_for(f"the reply to {number} of {name}", look, seconds, 0.01)
        return found[0]

    def memory(self):
        """Bytes in RAM."""
        with open(f"/proc/{self.process.pid}/status") as file:
            return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1)) * 1024

    def pause(self):
        self.is_stopped = True
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.is_stopped = False
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()
        self.reader.join()
        self.process.stdin.close()
        self.process.stdout.close()

    def finish(self):
        """In order: leaks are told by the sanitizer."""
        self.tell("stop")
        self.expect("stopped", 60)
        status = self.process.wait(60)
        self.end()
        if status != 0:
            raise RuntimeError(f"{self.name} ended with {status}:\n{self.complaints()}")

    def end(self):
        if self in ALIVE:
            ALIVE.remove(self)
            self.kill()


class Proxy:
    """Between relays and Redis. What it does to the bytes may be changed at any time and holds for all of its
    connections: `stalled` directions pass nothing on, `swallowed` ones lose what they get, `cut_after` bytes towards
    the client all connections end, in the middle of whatever is on the way."""

    UP, DOWN = 0, 1

    def __init__(self, upstream):
        self.upstream = upstream
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]
        self.selector = selectors.DefaultSelector()
        self.pairs = []
        self.stalled, self.swallowed = [False, False], [False, False]
        self.cut_after = None
        self.refuse = False
        self.cutting = False
        self.accepted = 0
        self.slow_down = 0
        self.running = True
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        ALIVE.append(self)

    def heal(self):
        self.stalled, self.swallowed = [False, False], [False, False]
        self.cut_after = None
        self.refuse = False

    def cut(self):
        self.cutting = True
        wait_for("the cut", lambda: not self.cutting, 10, 0.002)

    def accept(self):
        client, _ = self.listener.accept()
        self.accepted += 1
        if self.refuse:
            client.close()
            return
        try:
            server = socket.create_connection(("127.0.0.1", self.upstream), 2)
        except OSError:
            client.close()
            return
        for side in (client, server):
            side.setblocking(False)
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pair = [[client, server], [b"", b""]]
        self.pairs.append(pair)

    def drop(self, pair):
        self.pairs.remove(pair)
        for side in pair[0]:
            # A reset, as a broken network or a dead host makes it
            side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            side.close()

    def pass_on(self, pair, way):
        source, target = (pair[0][0], pair[0][1]) if way == self.UP else (pair[0][1], pair[0][0])
        if self.stalled[way]:
            return False
        if not pair[1][way]:
            try:
                data = source.recv(262144 if not self.slow_down else self.slow_down)
            except BlockingIOError:
                return False
            if not data:
                raise ConnectionError
            if self.swallowed[way]:
                return True
            pair[1][way] = data
        data = pair[1][way]
        if way == self.DOWN and self.cut_after is not None:
            data = data[:self.cut_after]
            self.cut_after -= len(data)
        try:
            sent = target.send(data) if data else 0
        except BlockingIOError:
            return False
        pair[1][way] = pair[1][way][sent:]
        if self.cut_after is not None and self.cut_after <= 0 and way == self.DOWN:
            self.cut_after = None
            self.cutting = True
        return sent > 0

    def run(self):
        idle = 0
        while self.running:
            # Sockets are tried in turn: few connections, and stalls need no bookkeeping
            try:
                self.accept()
            except BlockingIOError:
                pass
            busy = False
            for pair in list(self.pairs):
                try:
                    for way in (self.UP, self.DOWN):
                        busy = self.pass_on(pair, way) or busy
                except OSError:
                    self.drop(pair)
            if self.cutting:
                for pair in list(self.pairs):
                    self.drop(pair)
                self.cutting = False
            idle = 0 if busy and not self.slow_down else min(idle + 1, 10)
            if idle:
                time.sleep(0.0002 * idle)

    def end(self):
        if self in ALIVE:
            ALIVE.remove(self)
            self.running = False
            self.thread.join()
            self.listener.close()
