"""guide.py ROOT CC LIBRARY FLAGS...: the C blocks of docs/guide.md, put together, compile without a warning and run."""
import re
import subprocess
import sys
import tempfile
from pathlib import Path

EXPECTED = [
    'alice < {"push":{"type":"message","channel":"group:team"',
    'bob < {"push":{"type":"message","channel":"dm:alice,bob"',
    "bob has 1 unread\n",
    "bob has 0 unread\n",
    '"code":2100,"reason":"permission taken away"',
    "subscribe: no: the user's override",
    "[member_added] room=group:team user=bob\n",
    "node first: 2 sessions\n",
    'load of first: {"cpu":17}\n',
    "order 4711 is at offset 2\n",
    "Messages: 3\n",
]


def main():
    root, compiler, library, *flags = sys.argv[1:]
    text = Path(root, "docs", "guide.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```c\n(.*?)^```$", text, re.S | re.M)
    if len(blocks) < 5:
        sys.exit("docs/guide.md: where are its C blocks?")
    with tempfile.TemporaryDirectory() as folder:
        source, program = Path(folder, "guide.c"), Path(folder, "guide")
        source.write_text("\n".join(blocks), encoding="utf-8")
        subprocess.run(
            [compiler, "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror", *flags,
             "-DSRL_STATIC", "-I", str(Path(root, "include")), str(source), library, "-pthread", "-o", str(program)],
            check=True)
        printed = subprocess.run([str(program)], check=True, capture_output=True, text=True, timeout=60).stdout
    missing = [line for line in EXPECTED if line not in printed]
    if missing:
        sys.exit("the guide's program did not print:\n" + "\n".join(missing) + "\nbut:\n" + printed)


main()
