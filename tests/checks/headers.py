#!/usr/bin/env python3
"""headers.py ROOT CC CXX: every public header compiles alone, twice included, as strict C11 and C++17."""

import subprocess
import sys
from pathlib import Path

from common import Report

WARNINGS = ["-pedantic-errors", "-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Werror", "-fsyntax-only"]


def main(root, cc, cxx):
    report = Report("headers")
    languages = [
        ([cc, "-x", "c", "-std=c11", "-Wstrict-prototypes"], "C11"),
        ([cxx, "-x", "c++", "-std=c++17", "-Wold-style-cast"], "C++17"),
    ]
    for header in sorted((root / "include/streamrelay").glob("*.h")):
        include = f"#include <streamrelay/{header.name}>\n"
        for command, language in languages:
            for mode in ([], ["-DSRL_STATIC"]):
                report.checked += 1
                run = subprocess.run([*command, *WARNINGS, *mode, f"-I{root / 'include'}", "-"],
                                     input=include * 2 + "int srl_check(void);\n", text=True, capture_output=True)
                if run.returncode != 0:
                    report.problem(header.name, f"does not compile alone as {language}\n{run.stderr}")
    report.finish()


main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
