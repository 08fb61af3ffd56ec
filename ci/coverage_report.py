#!/usr/bin/env python3
"""Line coverage of engine/ per folder, and the error handling that no test has reached.

Usage: ci/coverage_report.py BUILD_TREE [--list]. Reads what gcov counted in a tree of the preset
"coverage". An error-handling line is one that makes or hands on an error: fail(), unexpected(),
TRY, TRY_ASSIGN. Of the macros, whose branch to the error stands on their own line, the branch
counts.
"""
import argparse
import collections
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
MACRO = re.compile(r"\bTRY(_ASSIGN)?\(")
MAKES_ERROR = re.compile(r"\breturn\b.*\b(fail|unexpected)\(|\bfail\(ErrorCode|std::unexpected\(")
COMMENT = re.compile(r"//.*")


class Line:
    """What all object files together say about one line."""

    def __init__(self):
        self.count = 0
        self.error_branch = 0  # Times that the rarer side of the last condition was taken.

    def add(self, entry):
        self.count += entry["count"]
        # Exceptions leave by branches of their own; what is left comes in pairs, the condition of
        # the macro last.
        branches = [branch["count"] for branch in entry["branches"] if not branch["throw"]]
        if len(branches) >= 2:
            self.error_branch += min(branches[-2:])


def read(tree):
    """{path below engine/: {line number: Line}}"""
    files = collections.defaultdict(lambda: collections.defaultdict(Line))
    for data in sorted(tree.glob("engine/**/*.gcda")):
        text = subprocess.run(["gcov", "--json-format", "--branch-probabilities", "--stdout", data],
                              capture_output=True, text=True, check=True).stdout
        for document in filter(None, text.split("\n")):
            for file in json.loads(document)["files"]:
                path = pathlib.PurePosixPath(file["file"])
                if not path.is_relative_to(ROOT / "engine"):
                    continue
                name = str(path.relative_to(ROOT))
                if name.startswith("engine/tests/"):
                    continue
                for entry in file["lines"]:
                    files[name][entry["line_number"]].add(entry)
    return files


def unreached_errors(source, lines):
    """(line number, text) of error handling in this source that never ran."""
    for number, text in enumerate(source.split("\n"), 1):
        code = COMMENT.sub("", text)
        if number not in lines or text.lstrip().startswith("#"):
            continue
        line = lines[number]
        if MACRO.search(code):
            if line.count == 0 or line.error_branch == 0:
                yield number, text.strip()
        elif MAKES_ERROR.search(code) and line.count == 0:
            yield number, text.strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("tree", type=pathlib.Path)
    parser.add_argument("--list", action="store_true", help="name each unreached line")
    options = parser.parse_args()
    files = read(options.tree)
    if not files:
        print("coverage: no counts in this tree: build the preset \"coverage\", run its tests")
        return 1
    folders = collections.defaultdict(lambda: [0, 0, 0])
    listed = []
    for name, lines in sorted(files.items()):
        source = (ROOT / name).read_text(encoding="utf-8")
        unreached = list(unreached_errors(source, lines))
        listed += [f"{name}:{number}: {text}" for number, text in unreached]
        folder = folders[str(pathlib.PurePosixPath(name).parent)]
        folder[0] += len(lines)
        folder[1] += sum(1 for line in lines.values() if line.count > 0)
        folder[2] += len(unreached)
    print(f"{'folder':28} {'lines':>6} {'run':>7} {'errors not reached':>19}")
    for folder, (total, run, unreached) in sorted(folders.items()):
        print(f"{folder:28} {total:6} {100 * run / total:6.1f}% {unreached:19}")
    if options.list:
        print("\n".join(listed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
