"""Compares what clients saw with what Redis holds.

Per channel the stream is the truth. A client's journal is walked along it: each message must be the one behind the
last. What a client saw and the stream does not hold (Redis lost it) must be followed by `recovered: false` before
anything that the stream holds; and `recovered: false` must be the truth: something behind the client's position was
lost."""

import bisect
import re
import struct
from collections import Counter

RECORD = struct.Struct("<BBHIQQQ")
RECOVERING, RECOVERED = 1, 2
PAYLOAD = re.compile(rb'"m(\d+)/(\d+)(?: x*)?"$')


def records(path):
    with open(path, "rb") as file:
        while True:
            block = file.read(RECORD.size * 32768)
            block = block[:len(block) // RECORD.size * RECORD.size]
            if not block:
                return
            for entry in RECORD.iter_unpack(block):
                yield chr(entry[0]), *entry[1:]


class Streams:
    """All channels' publications, by channel in order: positions (epoch, offset) and ids; and where data was lost."""

    def __init__(self, connection, prefix):
        self.positions, self.ids, self.marks, self.place = {}, {}, {}, {}
        self.doubled, self.is_trimmed = [], False
        cursor, names = b"0", set()
        while True:
            cursor, some = connection("SCAN", cursor, "MATCH", f"{prefix}:*:s:c*", "COUNT", 1000)
            names.update(some)
            if cursor == b"0":
                break
        for name in sorted(names):
            self.read(connection, name, int(name.rpartition(b":s:c")[2]))

    def read(self, connection, name, channel):
        if connection("TYPE", name) != b"stream":
            return
        positions, ids, marks = [], [], []
        start = b"-"
        while True:
            part = connection("XRANGE", name, start, "+", "COUNT", 5000)
            for entry, fields in part:
                epoch, offset = entry.split(b"-")
                at = (int(epoch), int(offset))
                if fields[0] == b"b":
                    marks.append(at)
                    continue
                found = PAYLOAD.search(fields[1][-70000:])
                message = int(found.group(1)) << 40 | int(found.group(2)) if found else 0
                if message in self.place:
                    self.doubled.append((channel, at, message))
                self.place[message] = (channel, len(ids))
                positions.append(at)
                ids.append(message)
            if len(part) < 5000:
                break
            start = b"(" + part[-1][0]
        self.positions[channel], self.ids[channel], self.marks[channel] = positions, ids, marks

    def complete(self, journals):
        """Add what was trimmed: all that was acknowledged or seen. As if each channel had a mark at its end, since
        whether a client's position was trimmed when it came back cannot be known any more."""
        self.is_trimmed = True
        known, twice = {}, set()
        for path in journals:
            for kind, _, _, channel, epoch, offset, message in records(path):
                if kind in "AM":
                    known.setdefault(channel, {})[(epoch, offset)] = message
        for channel, seen in known.items():
            merged = {**seen, **dict(zip(self.positions.get(channel, []), self.ids.get(channel, [])))}
            self.positions[channel] = sorted(merged)
            self.ids[channel] = [merged[position] for position in self.positions[channel]]
            for index, message in enumerate(self.ids[channel]):
                if message in twice:
                    self.doubled.append((channel, self.positions[channel][index], message))
                twice.add(message)
                self.place[message] = (channel, index)
            self.marks[channel] = [(1 << 63, 0)]

    def count(self):
        return sum(len(ids) for ids in self.ids.values())


class Walk:
    """One client in one channel. `at`: how many entries of the stream are behind it; `lost`: its position is one that
    the stream does not have."""

    __slots__ = ("at", "lost", "position", "state")

    def __init__(self):
        self.at, self.lost, self.position, self.state = None, False, None, "out"


class Verdict:
    def __init__(self, streams, journals, may_lose=False):
        self.streams, self.may_lose = streams, may_lose
        self.counts = Counter()
        self.problems = []
        self.gone = {}          # (channel, position): id, of what was seen or acknowledged and is not in the stream
        for path in journals:
            self.look_for_losses(path)
        self.losses = {}
        for channel, position in self.gone:
            self.losses.setdefault(channel, []).append(position)
        for channel, marks in streams.marks.items():
            self.losses.setdefault(channel, []).extend(marks)
        for positions in self.losses.values():
            positions.sort()
        for path in journals:
            self.walk(path)
        for entry in streams.doubled:
            self.problem("stored twice", f"c{entry[0]} {entry[1]} {name(entry[2])}")

    def problem(self, what, how):
        self.counts[what] += 1
        if self.counts[what] <= 5:
            self.problems.append(f"{what}: {how}")

    # ---- first pass: what Redis has lost, and whether a position was ever given twice

    def look_for_losses(self, path):
        acknowledged = {}
        for kind, flags, who, channel, epoch, offset, message in records(path):
            if kind not in "AM":
                continue
            position = (epoch, offset)
            is_stored = self.place_of_message(channel, position, message) is not None
            if kind == "A":
                self.counts["acknowledged"] += 1
                if message in acknowledged:
                    self.problem("acknowledged twice", f"c{channel} {position} and {acknowledged[message]}")
                acknowledged[message] = position
                if not is_stored:
                    self.counts["acknowledged, then lost by Redis"] += 1
            if is_stored:
                continue
            other = self.gone.setdefault((channel, position), message)
            positions = self.streams.positions.get(channel, [])
            at = bisect.bisect_left(positions, position)
            if at < len(positions) and positions[at] == position:
                other = self.streams.ids[channel][at]
            if other != message:
                self.problem("a position given twice", f"c{channel} {position}: {name(message)} and {name(other)}")

    def place_of_message(self, channel, position, message):
        """Where the stream has it, or None. A publication whose outcome was not known may have been lost at one
        position and be stored at another one."""
        positions = self.streams.positions.get(channel, [])
        at = bisect.bisect_left(positions, position)
        if at < len(positions) and positions[at] == position and self.streams.ids[channel][at] == message:
            return at
        place = self.streams.place.get(message)
        if place is None:
            return None
        if not self.may_lose:
            self.problem("told another position", f"c{channel} {position} {name(message)}: it is c{place[0]} "
                         f"{self.streams.positions[place[0]][place[1]]}")
        return None

    # ---- second pass

    def walk(self, path):
        walks = {}
        for kind, flags, who, channel, epoch, offset, message in records(path):
            if kind == "M":
                self.message(path, walks[(who, channel)], who, channel, (epoch, offset), message)
            elif kind == "S":
                walk = walks.setdefault((who, channel), Walk())
                self.subscribed(path, walk, flags, who, channel, (epoch, offset))
        for (who, channel), walk in walks.items():
            end = len(self.streams.ids.get(channel, []))
            if walk.lost:
                self.problem("not told of a loss", f"{path}: s{who} c{channel} ends at {walk.position}")
            elif walk.at is not None and walk.at < end:
                self.problem("lost", f"{path}: s{who} c{channel} ends at {walk.position}, {end - walk.at} missing, "
                             f"next {self.streams.positions[channel][walk.at]}")
            self.counts["journals compared"] += 1

    def show(self, path, who, channel, position, message):
        return f"{path}: s{who} c{channel} {position} {name(message)}"

    def message(self, path, walk, who, channel, position, message):
        self.counts["deliveries"] += 1
        at = self.place_of_message(channel, position, message)
        last, walk.position = walk.position, position
        if at is None:
            # Seen, and lost by Redis afterwards: it must continue what the client had all the same.
            if last is not None and not (position[0] == last[0] and position[1] == last[1] + 1) and \
                    not (position[0] > last[0] and position[1] in (1, last[1] + 1)):
                self.problem("out of order", self.show(path, who, channel, position, message) + f" behind {last}")
            if not walk.lost and walk.at is not None:
                rest = self.streams.positions.get(channel, [])
                if walk.at < len(rest) and rest[walk.at] < position:
                    self.problem("lost", self.show(path, who, channel, position, message) +
                                 f" skips {rest[walk.at]}")
            self.counts["seen, then lost by Redis"] += 1
            walk.lost = True
            return
        if walk.lost:
            self.problem("not told of a loss", self.show(path, who, channel, position, message) + f" behind {last}")
        elif walk.at is not None and at > walk.at:
            self.counts["messages missing"] += at - walk.at
            self.problem("lost", self.show(path, who, channel, position, message) +
                         f" behind {last}, {at - walk.at} skipped: {self.streams.positions[channel][walk.at]}")
        elif walk.at is not None and at < walk.at:
            self.problem("duplicated or out of order", self.show(path, who, channel, position, message) +
                         f" behind {last}")
            return
        walk.at, walk.lost = at + 1, False

    def place_of(self, channel, position):
        """How many entries are up to this position, and whether the stream has it (or it is the beginning of one)."""
        positions = self.streams.positions.get(channel, [])
        at = bisect.bisect_right(positions, position)
        if position[1] == 0 or position in self.streams.marks.get(channel, []):
            return at, True
        return at, at > 0 and positions[at - 1] == position

    def subscribed(self, path, walk, flags, who, channel, position):
        at, exists = self.place_of(channel, position)
        last, walk.position = walk.position, position
        if flags & RECOVERED:
            self.counts["recovered"] += 1
            if not walk.lost and (at != walk.at or not exists):
                self.problem("recovered from another position", f"{path}: s{who} c{channel} {last} -> {position}")
            return
        if flags & RECOVERING:
            self.counts["recovered: false"] += 1
            losses = self.losses.get(channel, [])
            # A stream cannot prove that nothing came before its first publication.
            is_certain = last[1] > 0 or position[0] == last[0]
            if is_certain and not walk.lost and bisect.bisect_right(losses, last) == len(losses):
                self.problem("recovered: false without a loss", f"{path}: s{who} c{channel} {last} -> {position}")
        walk.at, walk.lost = at, not exists and not self.streams.is_trimmed
        if not exists and (channel, position) not in self.gone:
            # Maybe a position that nobody here was told of and that is lost by now; whatever comes must be told.
            self.counts["began at a position lost later"] += 1


def name(message):
    return f"m{message >> 40}/{message & (1 << 40) - 1}"
