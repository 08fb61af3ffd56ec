#!/usr/bin/env python3
"""Line coverage of the engine per folder, and the error handling that no test has reached.

Usage: ci/coverage_report.py BUILD_TREE [--list] [--check]. Reads what gcov counted in a tree of the
preset "coverage", for engine/ without its tests, benchmarks and examples; a file that no test has
linked counts as never run.

A line handles an error when it makes one (fail(), std::unexpected, any function that returns one),
hands one on (TRY, TRY_ASSIGN), turns one into another or asks for its code (.error(), RocksDB's
statuses). It is reached when all of it ran, in one process or another: the branch of a macro to the
error stands on the macro's line, as does one arm of "ok ? x : fail()".

--list   names each of those that was not reached, and every other line that never ran
--check  exit 1 when a line that handles errors was not reached and does not stand, with its reason,
         in ci/unreached.toml, or when a line stands there that is no longer in its file
"""
import argparse
import collections
import json
import pathlib
import re
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
REASONS = "ci/unreached.toml"
NOT_ENGINE = ("engine/tests/", "engine/bench/", "engine/examples/", "engine/fuzz/")
MACRO = re.compile(r"\bTRY(_ASSIGN)?\(")
MAKER = re.compile(r"\bstd::unexpected<Error> (\w+)\(")
HANDLES = r"\bstd::unexpected\(|\.error\(\)|\bto_error\(|\bIOStatus::(?!OK\b)\w+\(|\b(?:{})\("
COMMENT = re.compile(r"//.*")
FILES_PER_CALL = 16


class Line:
    """What all object files, and in each all functions that a template became, say about a line."""

    def __init__(self):
        self.count = 0
        self.whole = False  # No block of code on it was left out.

    def add(self, entry):
        self.count += entry["count"]
        self.whole = self.whole or (entry["count"] > 0 and not entry["unexecuted_block"])


def gcov(notes):
    """What gcov says about these files: one JSON document each."""
    text = subprocess.run(["gcov", "--json-format", "--branch-probabilities", "--stdout", *notes],
                          capture_output=True, text=True, check=True).stdout
    return [json.loads(document) for document in filter(None, text.split("\n"))]


def read(tree, root=ROOT):
    """{path of a source below engine/: {line number: Line}}"""
    files = collections.defaultdict(lambda: collections.defaultdict(Line))
    # The .gcno file is there, too, when no process wrote counts.
    notes = sorted(tree.glob("engine/**/*.gcno"))
    for i in range(0, len(notes), FILES_PER_CALL):
        for document in gcov(notes[i:i + FILES_PER_CALL]):
            for file in document["files"]:
                path = pathlib.PurePosixPath(file["file"])
                if not path.is_relative_to(root / "engine"):
                    continue
                name = str(path.relative_to(root))
                if name.startswith(NOT_ENGINE) or not (root / name).exists():
                    continue
                for entry in file["lines"]:
                    files[name][entry["line_number"]].add(entry)
    return files


def error_pattern(sources):
    """Matches the lines that handle errors, the macros aside."""
    makers = {name for source in sources for name in MAKER.findall(source)}
    return re.compile(HANDLES.format("|".join(sorted(makers | {"fail"}))))


class Judged:
    """The lines of one source that matter, each as (number, text)."""

    def __init__(self, source, lines, pattern):
        self.errors = 0
        self.unreached = []
        self.other = []
        for number, text in enumerate(source.split("\n"), 1):
            if number not in lines or text.lstrip().startswith("#"):
                continue
            line = lines[number]
            code = COMMENT.sub("", text)
            if MACRO.search(code) or pattern.search(code):
                self.errors += 1
                if not line.whole:
                    self.unreached.append((number, text.strip()))
            elif line.count == 0:
                self.other.append((number, text.strip()))


def judge(files, root=ROOT):
    """{path: Judged}"""
    sources = {name: (root / name).read_text(encoding="utf-8") for name in sorted(files)}
    pattern = error_pattern(sources.values())
    return {name: Judged(source, files[name], pattern) for name, source in sources.items()}


def print_table(files, judged):
    folders = collections.defaultdict(collections.Counter)
    for name, lines in files.items():
        for key in (str(pathlib.PurePosixPath(name).parent), "all"):
            folders[key].update({
                "lines": len(lines), "run": sum(line.count > 0 for line in lines.values()),
                "errors": judged[name].errors, "unreached": len(judged[name].unreached)})
    print(f"{'folder':24} {'lines':>6} {'run':>7} {'handle errors':>14} {'reached':>8} {'not':>4}")
    for folder, sums in sorted(folders.items(), key=lambda item: (item[0] == "all", item[0])):
        reached = sums["errors"] - sums["unreached"]
        print(f"{folder:24} {sums['lines']:6} {100 * sums['run'] / sums['lines']:6.1f}% "
              f"{sums['errors']:14} {reached:8} {sums['unreached']:4}")


def print_list(title, lines_of, judged):
    print(f"\n{title}:")
    for name, one in judged.items():
        for number, text in lines_of(one):
            print(f"{name}:{number}: {text}")


def problems(judged, reasons, root=ROOT):
    """What has no reason, and which reasons have lost their line."""
    found = []
    known = collections.Counter((entry["file"], line) for entry in reasons
                                for line in entry["lines"])
    accepted = known.copy()
    for name, one in judged.items():
        for number, text in one.unreached:
            if accepted[name, text] == 0:
                found.append(f"{name}:{number}: not reached, no reason in {REASONS}: {text}")
            else:
                accepted[name, text] -= 1
    for name, text in sorted(known):
        path = root / name
        lines = path.read_text(encoding="utf-8").split("\n") if path.exists() else []
        if sum(line.strip() == text for line in lines) < known[name, text]:
            found.append(f"{REASONS}: {name} has no such line, or not so often: {text}")
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("tree", type=pathlib.Path)
    parser.add_argument("--list", action="store_true", help="name each unreached line")
    parser.add_argument("--check", action="store_true", help="fail on one without a reason")
    options = parser.parse_args()
    files = read(options.tree)
    if not any(line.count for lines in files.values() for line in lines.values()):
        print("coverage: no counts in this tree: build the preset \"coverage\", run its tests")
        return 1
    judged = judge(files)
    print_table(files, judged)
    if options.list:
        print_list("error handling not reached", lambda one: one.unreached, judged)
        print_list("other lines that never ran", lambda one: one.other, judged)
    if options.check:
        reasons = tomllib.loads((ROOT / REASONS).read_text())["unreached"]
        found = problems(judged, reasons)
        for problem in found:
            print(problem, file=sys.stderr)
        return 1 if found else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
