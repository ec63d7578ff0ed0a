#!/usr/bin/env python3
"""symbols.py ROOT NM STATIC SHARED: one prefix for every symbol; exported is what the headers declare and explain."""

import re
import subprocess
import sys
from pathlib import Path

from common import Report, declared

# What instrumentation adds to an object file.
INSTRUMENTATION = re.compile(r"_*(asan|odr_asan|ubsan|sanitizer|sancov|gcov|llvm|start|stop)_|__odr_asan\.")


def symbols(nm, *arguments):
    output = subprocess.run([nm, *arguments], check=True, capture_output=True, text=True).stdout
    return {match.group(1) for match in re.finditer(r"^[0-9a-fA-F]+ [A-Z] (\S+)$", output, re.M)}


def main(root, nm, static, shared):
    report = Report("symbols")
    api = declared(root / "include/streamrelay")
    for name, (header, line, documented) in api.items():
        if not documented:
            report.problem(f"include/streamrelay/{header}:{line}", f"{name} has no /** comment directly before it")

    defined = {name for name in symbols(nm, "-g", "--defined-only", static) if not INSTRUMENTATION.match(name)}
    for name in sorted(defined):
        report.checked += 1
        if not name.startswith("srl_"):
            report.problem(static, f"{name} lacks the prefix srl_")
        elif name not in api and not name.startswith("srl__"):
            report.problem(static, f"{name} is in no public header, so its name must begin with srl__")
    for name in sorted(set(api) - defined):
        report.problem(f"include/streamrelay/{api[name][0]}:{api[name][1]}", f"{name} is declared but does not exist")

    exported = {re.sub(r"@.*", "", name) for name in symbols(nm, "-D", "--defined-only", shared)}
    versions = {name for name in exported if re.fullmatch(r"SRL_[0-9]+", name)}
    for name in sorted(exported - versions - set(api)):
        report.problem(shared, f"{name} is exported but in no public header")
    for name in sorted((set(api) & defined) - exported):
        report.problem(shared, f"{name} is declared but not exported")
    report.checked += len(exported)
    report.finish()


main(Path(sys.argv[1]), *sys.argv[2:5])
