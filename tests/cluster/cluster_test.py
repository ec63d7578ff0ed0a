#!/usr/bin/env python3
"""cluster_test.py NODE [--full] [--part PART] [--only CASE] [--seed N] [--keep]: relay processes against a Redis that fails.

NODE is the program made of node.c. Each case starts a redis-server and three nodes of its own, and compares at the end
what every client saw with what Redis holds. The last line is a summary; the exit status is 1 after any violation, 77
without redis-server. The same seed does the same in the same order, as far as two runs of several processes can be the
same. --keep leaves the folder with journals and logs."""

import argparse
import shutil
import sys
import tempfile
import time
import traceback

import harness
import scenarios
from cluster import Settings


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("node")
    parser.add_argument("--full", action="store_true", help="1,000,000 messages over 1,000 channels, all cases long")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--part", choices=sorted(scenarios.PARTS), help="some of the cases")
    parser.add_argument("--only", action="append", default=[], help="a case; may be repeated")
    parser.add_argument("--messages", type=int, default=None, help="in the flow cases")
    parser.add_argument("--keep", action="store_true")
    return parser.parse_args()


def row(name, result, seconds):
    counts = result.counts
    return [name, f"{counts['published']:,}", f"{counts['deliveries']:,}", str(result.faults),
            f"{counts['recovered']:,}", f"{counts['recovered: false']:,}",
            f"{counts['acknowledged, then lost by Redis']:,}", str(len(result.problems)), f"{seconds:.0f} s"]


def show(rows):
    heads = ["case", "published", "delivered", "faults", "recovered", "told: lost", "lost by Redis", "violations",
             "time"]
    widths = [max(len(line[column]) for line in [heads, *rows]) for column in range(len(heads))]
    for line in [heads, *rows]:
        print("  ".join(word.ljust(width) if at == 0 else word.rjust(width)
                        for at, (word, width) in enumerate(zip(line, widths))))


def run_case(name, case, settings, rows):
    began = time.monotonic()
    print(f"== {name} (seed {settings.seed})", flush=True)
    settings.folder = tempfile.mkdtemp(prefix=f"{name}-", dir=settings.root)
    try:
        result = case(settings)
    except Exception as error:  # a case that cannot be finished has failed
        traceback.print_exc()
        result = scenarios.Result()
        result.problem(f"{type(error).__name__}: {error}")
    finally:
        harness.end_all()
    seconds = time.monotonic() - began
    for note in result.notes:
        print(f"   {note}")
    for problem in result.problems:
        print(f"   VIOLATION {problem}")
    rows.append(row(name, result, seconds))
    sys.stdout.flush()
    if not settings.keep and not result.problems:
        shutil.rmtree(settings.folder)
    return result


def main():
    given = arguments()
    if harness.redis_version() is None:
        print(f"no {harness.REDIS_SERVER}")
        sys.exit(77 if harness.REDIS_SERVER == "redis-server" else 1)
    seed = given.seed if given.seed is not None else int(time.time())
    settings = Settings(given.node, given.full, seed, given.messages)
    settings.keep = given.keep
    settings.root = tempfile.mkdtemp(prefix="cluster-")
    began, rows, results = time.monotonic(), [], []
    for name in scenarios.chosen(given.full, given.part, given.only):
        results.append(run_case(name, scenarios.CASES[name], settings, rows))
    seconds = time.monotonic() - began
    show(rows)
    bad = sum(len(result.problems) for result in results)
    published = sum(result.counts["published"] for result in results)
    delivered = sum(result.counts["deliveries"] for result in results)
    print(f"seed {seed}: {len(results)} cases, {published:,} messages, {delivered:,} deliveries, {bad} violations, "
          f"{seconds:.0f} s")
    if bad > 0 or given.keep:
        print(f"journals and logs: {settings.root}")
    else:
        shutil.rmtree(settings.root, ignore_errors=True)
    sys.exit(1 if bad > 0 else 0)


if __name__ == "__main__":
    main()
