#!/usr/bin/env python3
"""style.py ROOT: no banned functions in src/, no file over 1000 lines, no function over 120."""

import re
import sys
from pathlib import Path

from common import Report, blank, read

MAX_FILE = 1000
MAX_FUNCTION = 120
MAX_COLUMNS = 120

BANNED = re.compile(
    r"(?<![\w.>])("
    r"sprintf|vsprintf|strcpy|strcat|strncpy|strncat|stpcpy|atoi|atol|atoll|atof|sscanf|fscanf|scanf|vsscanf|gets|"
    r"alloca|strtok|setjmp|longjmp|system|popen|"
    r"isalnum|isalpha|isblank|iscntrl|isdigit|isgraph|islower|isprint|ispunct|isspace|isupper|isxdigit|"
    r"tolower|toupper|strcasecmp|strncasecmp|strcoll|strxfrm|setlocale|localeconv|"
    r"rand|srand|random|srandom|drand48|localtime|gmtime|ctime|asctime|strerror|signal|sigaction|exit|abort"
    r")\s*\("
)
RAW_MEMORY = re.compile(r"(?<![\w.>])(malloc|calloc|realloc|free|strdup|strndup|asprintf|getline|aligned_alloc)\s*\(")
CODE_FOLDERS = ["include", "src", "tests", "examples"]


def functions(lines):
    """Bodies as clang-format leaves them: from a line "{" to a line "}"."""
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line.startswith("}") and start is not None:
            name = next((found for back in range(start - 2, max(start - 12, -1), -1)
                         for found in re.findall(r"(\w+)\(", lines[back])[:1]
                         if re.match(r"\S", lines[back])), "?")
            yield name, start, number
            start = None


def check_calls(report, where, path, lines):
    for number, line in enumerate(lines, 1):
        for match in BANNED.finditer(line):
            report.problem(f"{where}:{number}", f"{match.group(1)} is banned in src/")
        if path.name != "alloc.c":
            for match in RAW_MEMORY.finditer(line):
                report.problem(f"{where}:{number}", f"{match.group(1)}: memory comes from base/alloc.h")


def main(root):
    report = Report("files")
    paths = [path for folder in CODE_FOLDERS for path in sorted((root / folder).rglob("*.[ch]"))
             if "node_modules" not in path.parts]
    for path in paths:
        where = path.relative_to(root)
        report.checked += 1
        text = read(path)
        raw_lines = text.split("\n")
        if len(raw_lines) - 1 > MAX_FILE:
            report.problem(where, f"{len(raw_lines) - 1} lines; at most {MAX_FILE}")
        for number, line in enumerate(raw_lines, 1):
            if len(line) > MAX_COLUMNS:
                report.problem(f"{where}:{number}", f"{len(line)} columns; at most {MAX_COLUMNS}")
            if line != line.rstrip() or "\t" in line:
                report.problem(f"{where}:{number}", "tab, carriage return or space at the end of a line")
            if re.search(r"\b(TODO|FIXME|XXX)\b", line):
                report.problem(f"{where}:{number}", "unfinished: " + line.strip())
        lines = blank(text).split("\n")
        if lines and "src" == where.parts[0]:
            check_calls(report, where, path, lines)
        for name, first, last in functions(lines):
            if last - first - 1 > MAX_FUNCTION:
                report.problem(f"{where}:{first}", f"{name}: {last - first - 1} lines; at most {MAX_FUNCTION}")
    report.finish()


main(Path(sys.argv[1]))
