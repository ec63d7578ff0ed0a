#!/usr/bin/env python3
"""The oracle finds what it is for: each case is one client's journal against a stream."""

import os
import tempfile
import unittest

import oracle


class FakeStreams:
    def __init__(self, channels, marks=()):
        self.positions, self.ids, self.place, self.doubled = {}, {}, {}, []
        self.marks, self.is_trimmed = {0: list(marks)}, False
        for channel, entries in channels.items():
            self.positions[channel] = [position for position, _ in entries]
            self.ids[channel] = [message for _, message in entries]
            for index, (position, message) in enumerate(entries):
                if message in self.place:
                    self.doubled.append((channel, position, message))
                self.place[message] = (channel, index)


def S(epoch, offset, flags=0):
    return ("S", flags, 0, 0, epoch, offset, 0)


def M(epoch, offset, message):
    return ("M", 0, 0, 0, epoch, offset, message)


def A(epoch, offset, message):
    return ("A", 0, 0, 0, epoch, offset, message)


TOLD = oracle.RECOVERING
RECOVERED = oracle.RECOVERING | oracle.RECOVERED
STREAM = [((5, 1), 11), ((5, 2), 12), ((5, 3), 13), ((9, 1), 21), ((9, 2), 22)]
WHOLE = [M(5, 1, 11), M(5, 2, 12), M(5, 3, 13), M(9, 1, 21), M(9, 2, 22)]


class OracleTest(unittest.TestCase):
    def verdict(self, journal, stream=STREAM, marks=(), may_lose=False):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "journal")
            with open(path, "wb") as file:
                for kind, *rest in journal:
                    file.write(oracle.RECORD.pack(ord(kind), *rest))
            return oracle.Verdict(FakeStreams({0: stream}, marks), [path], may_lose)

    def good(self, journal, **how):
        verdict = self.verdict(journal, **how)
        self.assertEqual(verdict.problems, [])
        return verdict

    def bad(self, what, journal, **how):
        verdict = self.verdict(journal, **how)
        self.assertIn(what, [text.split(":")[0] for text in verdict.problems], verdict.problems)

    def test_everything_seen_once_and_in_order(self):
        self.good([S(5, 0), *WHOLE])
        self.good([S(5, 2), *WHOLE[2:]])
        self.good([S(5, 0), *WHOLE[:2], S(5, 2, RECOVERED), *WHOLE[2:]])

    def test_a_message_is_missing(self):
        self.bad("lost", [S(5, 0), WHOLE[0], *WHOLE[2:]])
        self.bad("lost", [S(5, 0), *WHOLE[:-1]])
        self.bad("lost", [S(5, 0), *WHOLE[:3], WHOLE[4]])

    def test_a_message_came_twice_or_late(self):
        self.bad("duplicated or out of order", [S(5, 0), WHOLE[0], *WHOLE])
        self.bad("duplicated or out of order", [S(5, 0), WHOLE[0], WHOLE[2], WHOLE[1], *WHOLE[3:]])
        self.bad("duplicated or out of order", [S(5, 0), *WHOLE[:2], S(5, 2, RECOVERED), *WHOLE[1:]])

    def test_recovered_from_somewhere_else(self):
        self.bad("recovered from another position", [S(5, 0), *WHOLE[:2], S(5, 3, RECOVERED), *WHOLE[3:]])
        self.bad("recovered from another position", [S(5, 0), *WHOLE[:3], S(9, 3, RECOVERED), *WHOLE[3:]])

    def test_told_of_a_loss_that_was_none(self):
        self.bad("recovered", [S(5, 0), *WHOLE[:2], S(9, 1, TOLD), *WHOLE[4:]])

    def test_told_of_a_loss(self):
        gone = [M(5, 4, 14), S(9, 1, TOLD), *WHOLE[4:]]
        self.good([S(5, 0), *WHOLE[:3], *gone], may_lose=True)
        self.good([S(5, 0), *WHOLE[:2], S(9, 1, TOLD), *WHOLE[4:], A(5, 4, 14)], may_lose=True)
        self.good([S(5, 0), *WHOLE[:2], S(9, 1, TOLD), *WHOLE[4:]], marks=[(7, 0)], may_lose=True)

    def test_numbers_go_on_over_epochs(self):
        stream = [((5, 1), 11), ((5, 2), 12), ((9, 3), 21), ((9, 4), 22)]
        late = [M(9, 3, 21), M(9, 4, 22)]
        self.good([S(5, 0), *WHOLE[:2], *late], stream=stream)
        self.good([S(5, 0), *WHOLE[:2], M(5, 3, 13), S(8, 2, TOLD), *late], stream=stream, marks=[(8, 2)], may_lose=True)
        self.good([S(5, 0), *WHOLE[:2], M(5, 3, 13), M(7, 4, 14), S(9, 2, TOLD), *late], stream=stream,
                  marks=[(9, 2)], may_lose=True)
        self.bad("out of order", [S(5, 0), *WHOLE[:2], M(5, 3, 13), M(7, 5, 14), S(9, 2, TOLD), *late], stream=stream,
                 marks=[(9, 2)], may_lose=True)

    def test_not_told_of_a_loss(self):
        self.bad("not told of a loss", [S(5, 0), *WHOLE[:3], M(5, 4, 14), *WHOLE[3:]], may_lose=True)
        self.bad("not told of a loss", [S(5, 0), *WHOLE, M(9, 3, 23)], may_lose=True)
        self.bad("not told of a loss", [S(5, 0), *WHOLE[:3], M(5, 4, 14), S(5, 4, RECOVERED), *WHOLE[3:]],
                 may_lose=True)

    def test_what_was_lost_did_not_continue_either(self):
        self.bad("out of order", [S(5, 0), *WHOLE[:3], M(5, 5, 15), S(9, 0, TOLD), *WHOLE[3:]], may_lose=True)
        self.bad("lost", [S(5, 0), *WHOLE[:2], M(9, 3, 15), S(9, 2, TOLD)], may_lose=True)

    def test_a_position_was_given_twice(self):
        self.bad("a position given twice", [S(5, 0), *WHOLE, A(9, 2, 99)], may_lose=True)
        self.bad("a position given twice", [S(5, 0), *WHOLE, A(9, 4, 98), A(9, 4, 99)], may_lose=True)

    def test_stored_twice(self):
        stream = [*STREAM, ((9, 3), 22)]
        self.bad("stored twice", [S(5, 0), *WHOLE[:4], M(9, 2, 22), M(9, 3, 22)], stream=stream)

    def test_acknowledged_and_not_stored(self):
        self.assertEqual(self.good([S(5, 0), *WHOLE, A(5, 1, 11)]).counts["acknowledged, then lost by Redis"], 0)
        self.assertEqual(self.verdict([S(5, 0), *WHOLE, A(9, 3, 23)]).counts["acknowledged, then lost by Redis"], 1)

    def test_an_empty_stream(self):
        self.good([S(5, 0), *WHOLE[:2], S(9, 0, TOLD)], stream=[], may_lose=True)
        self.bad("not told of a loss", [S(5, 0), *WHOLE[:2]], stream=[], may_lose=True)


if __name__ == "__main__":
    unittest.main()
