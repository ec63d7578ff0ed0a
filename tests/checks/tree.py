#!/usr/bin/env python3
"""tree.py ROOT: the top folder holds what it should and nothing else; every source file is built."""

import re
import sys
from pathlib import Path

from common import Report, read

TOP = {"CMakeLists.txt", "include", "src", "tests", "examples", "docs", "README.md", "LICENSE"}


def main(root):
    report = Report("entries")
    found = {path.name for path in root.iterdir()}
    for name in sorted(TOP):
        report.checked += 1
        if name not in found:
            report.problem(name, "is missing")
    for name in sorted(found - TOP):
        report.checked += 1
        if not name.startswith(".") and not name.startswith("build"):
            report.problem(name, "does not belong into the top folder")

    listed = re.findall(r"\b[a-z]+/[a-z0-9_]+\.[ch]\b", read(root / "src/CMakeLists.txt"))
    existing = {str(path.relative_to(root / "src")) for path in (root / "src").rglob("*.c")}
    existing |= {str(path.relative_to(root / "include")) for path in (root / "include").rglob("*.h")}
    for name in sorted(existing):
        report.checked += 1
        if name not in listed:
            report.problem(name, "is not listed in src/CMakeLists.txt")
    for name in sorted({name for name in listed if listed.count(name) > 1}):
        report.problem(name, "is listed twice in src/CMakeLists.txt")
    report.finish()


main(Path(sys.argv[1]))
