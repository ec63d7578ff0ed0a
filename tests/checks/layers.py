#!/usr/bin/env python3
"""layers.py ROOT: a layer of src/ includes only what is below it, and only src/io/ talks to the system."""

import re
import sys
from pathlib import Path

from common import Report, blank, read

BELOW = {
    "base": [],
    "io": ["base"],
    "redis": ["io", "base"],
    "protocol": ["base"],
    "broker": ["redis", "io", "base"],
    "engine": ["broker", "protocol", "redis", "io", "base"],
}

# Headers of C itself that touch nothing outside the process.
PURE = {
    "assert.h", "errno.h", "float.h", "inttypes.h", "limits.h", "math.h", "stdalign.h", "stdarg.h", "stdatomic.h",
    "stdbool.h", "stddef.h", "stdint.h", "stdio.h", "string.h",
}
# Vector instructions, for the scanners of base.
VECTORS = re.compile(r"([a-z]mm|immin|x86)intrin\.h|arm_neon\.h")
MORE = {"base": {"stdlib.h"}, "broker": {"pthread.h"}, "engine": {"pthread.h"}}


def system_header_allowed(layer, name):
    if layer == "io" or name in PURE or name in MORE.get(layer, ()):
        return True
    return layer == "base" and VECTORS.fullmatch(name) is not None


def check_include(report, where, layer, quoted, name, public):
    if quoted:
        target = name.split("/")[0]
        if "/" not in name or target not in BELOW:
            report.problem(where, f'"{name}" is not written from src/, like "base/buf.h"')
        elif target != layer and target not in BELOW[layer]:
            report.problem(where, f'{layer} includes "{name}", which is not below it')
    elif name.startswith("streamrelay/"):
        if name not in public:
            report.problem(where, f"<{name}> is no public header")
    elif not system_header_allowed(layer, name):
        report.problem(where, f"{layer} includes <{name}>: only src/io talks to the system")


def main(root):
    report = Report("includes")
    public = {f"streamrelay/{path.name}" for path in (root / "include/streamrelay").glob("*.h")}
    for path in sorted((root / "src").rglob("*.[ch]")):
        layer = path.relative_to(root / "src").parts[0]
        if layer not in BELOW:
            report.problem(path.relative_to(root), "is in no layer")
            continue
        for number, line in enumerate(blank(read(path), strings=False).split("\n"), 1):
            match = re.match(r'\s*#\s*include\s*(["<])([^">]+)[">]', line)
            where = f"{path.relative_to(root)}:{number}"
            if match:
                report.checked += 1
                check_include(report, where, layer, match.group(1) == '"', match.group(2), public)
            elif re.match(r"\s*#\s*include", line):
                report.problem(where, "an include that cannot be read")
    for path in sorted((root / "include/streamrelay").glob("*.h")):
        for number, line in enumerate(blank(read(path), strings=False).split("\n"), 1):
            match = re.match(r'\s*#\s*include\s*(["<][^">]+[">])', line)
            if match:
                report.checked += 1
                name = match.group(1).strip('<>"')
                if name not in public | {"stddef.h", "stdint.h"}:
                    report.problem(f"{path.relative_to(root)}:{number}", f"a public header includes {match.group(1)}")
    report.finish()


main(Path(sys.argv[1]))
