"""protocol_doc.py ROOT: docs/protocol.md shows valid JSON, every command and push there is, and every code."""
import json
import re
import sys
from pathlib import Path


def samples(text):
    for block in re.findall(r"^```json\n(.*?)^```$", text, re.S | re.M):
        for line in block.splitlines():
            direction, _, message = line.partition(" ")
            if direction not in ("<", ">"):
                sys.exit(f"docs/protocol.md: a sample without direction: {line}")
            yield direction, json.loads(message)


def main():
    root = Path(sys.argv[1])
    text = (root / "docs/protocol.md").read_text(encoding="utf-8")
    commands, pushes = set(), set()
    for direction, message in samples(text):
        if direction == ">":
            commands.add(message["type"])
        elif "push" in message:
            pushes.add(message["push"]["type"])
        elif "reply" not in message:
            sys.exit(f"docs/protocol.md: neither reply nor push: {message}")
    decoder = (root / "src/protocol/native_decode.c").read_text(encoding="utf-8")
    encoder = (root / "src/protocol/native_encode.c").read_text(encoding="utf-8")
    known_commands = set(re.findall(r'TYPE_NAME\(SRL__COMMAND_\w+, "(\w+)"\)', decoder))
    known_pushes = set(re.findall(r'PUSH\("(\w+)"\)|"\{\\"push\\":\{\\"type\\":\\"(\w+)\\"', encoder))
    known_pushes = {name for pair in known_pushes for name in pair if name}
    codes = re.findall(r"X\(SRL_\w+,\s*(\d+),", (root / "include/streamrelay/codes.h").read_text(encoding="utf-8"))
    problems = [f"no sample of the command {name}" for name in sorted(known_commands - commands)]
    problems += [f"no sample of the push {name}" for name in sorted(known_pushes - pushes)]
    problems += [f"code {code} is in no table" for code in codes if not re.search(rf"^\| {code} ", text, re.M)]
    if not known_commands or not known_pushes or not codes:
        problems.append("the sources could not be read")
    if problems:
        sys.exit("docs/protocol.md:\n" + "\n".join(problems))


main()
