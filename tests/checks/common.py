"""What the checks share: reading C without its comments and strings, and reporting."""

import re
import sys
from pathlib import Path

_TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def blank(text, strings=True):
    """Comments (and the insides of strings) become spaces; lines keep their numbers."""

    def replace(match):
        token = match.group(0)
        if token[0] == "/":
            return re.sub(r"[^\n]", " ", token)
        return token[0] + " " * (len(token) - 2) + token[-1] if strings else token

    return _TOKEN.sub(replace, text)


def read(path):
    return Path(path).read_text(encoding="utf-8")


def declared(include_dir):
    """Functions declared with SRL_API: name -> (header, line, documented)."""
    found = {}
    for header in sorted(Path(include_dir).glob("*.h")):
        lines = read(header).split("\n")
        for number, line in enumerate(lines):
            match = re.match(r"SRL_API [^()]*?\b(srl_\w+)\(", line)
            if line.startswith("SRL_API") and not match:
                raise SystemExit(f"{header}:{number + 1}: a declaration that these checks cannot read")
            if match:
                documented = number > 0 and lines[number - 1].rstrip().endswith("*/") and _opens_doc(lines, number - 1)
                found[match.group(1)] = (header.name, number + 1, documented)
    return found


def _opens_doc(lines, number):
    while "/*" not in lines[number]:
        number -= 1
    return lines[number].lstrip().startswith("/**")


class Report:
    def __init__(self, what):
        self.what = what
        self.problems = []
        self.checked = 0

    def problem(self, where, text):
        self.problems.append(f"{where}: {text}")

    def finish(self):
        for problem in self.problems:
            print(problem)
        if self.checked == 0:
            print("nothing was found to check")
        print(f"{self.what}: {self.checked} checked, {len(self.problems)} problems")
        sys.exit(1 if self.problems or self.checked == 0 else 0)
