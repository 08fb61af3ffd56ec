#!/usr/bin/env python3
"""Plants the defects of ci/mutants.toml one by one and fails when a test does not notice.

Usage: ci/mutate.py [--check] [--only TEXT] [ROOT]. Works on a copy in build/mutants, with a release
build of its own. --check: builds nothing, only sees that each text stands exactly once where it
should (part of the lint). --only: mutants whose law contains TEXT. Exit 0, 1 when a mutant survived
or does not apply, 2 when one does not build.
"""
import argparse
import filecmp
import os
import pathlib
import shutil
import subprocess
import sys
import tomllib


def load(root, only):
    with open(root / "ci" / "mutants.toml", "rb") as file:
        mutants = tomllib.load(file)["mutant"]
    return [mutant for mutant in mutants if only in mutant["law"]]


def misplaced(root, mutant):
    """Why the mutant does not apply, or nothing."""
    text = (root / mutant["file"]).read_text(encoding="utf-8")
    count = text.count(mutant["replace"])
    return "" if count == 1 else f"{mutant['file']}: its text stands there {count} times"


def copy_tree(root, target):
    """Makes the copy what git knows or would take. What is the same keeps its time: ninja builds
    what has changed, and what a mutant was taken out of."""
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=root, text=True,
                           capture_output=True, check=True).stdout.splitlines()
    present = {name for name in names if (root / name).is_file()}
    for path in list(target.rglob("*")):
        if path.is_file() and path.relative_to(target).as_posix() not in present:
            path.unlink()
    for name in names:
        source, copy = root / name, target / name
        if source.is_file() and not (copy.is_file() and filecmp.cmp(source, copy, shallow=False)):
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, copy)


def build(tree, test):
    return subprocess.run(["ninja", "-C", tree, test], capture_output=True, text=True)


def run(tree, mutant):
    environment = dict(os.environ, RC_PARAMS="max_success=1000 seed=1",
                       **mutant.get("environment", {}))
    command = [tree / "tests" / mutant["test"], f"--gtest_filter={mutant['filter']}"]
    try:
        return subprocess.run(command, env=environment, capture_output=True, timeout=300).returncode
    except subprocess.TimeoutExpired:
        return 124  # Noticed, if not nicely.


def try_mutant(source, tree, mutant):
    """"red", "SURVIVED", or what went wrong."""
    path = source / mutant["file"]
    original = path.read_text(encoding="utf-8")
    path.write_text(original.replace(mutant["replace"], mutant["with"]), encoding="utf-8")
    try:
        built = build(tree, mutant["test"])
        if built.returncode != 0:
            return "DOES NOT BUILD\n" + built.stdout[-2000:]
        return "red" if run(tree, mutant) != 0 else "SURVIVED"
    finally:
        path.write_text(original, encoding="utf-8")


def main(arguments):
    root = pathlib.Path(arguments.root).resolve()
    mutants = load(root, arguments.only)
    problems = [f"{mutant['law']}: {why}" for mutant in mutants if (why := misplaced(root, mutant))]
    if problems or arguments.check:
        print("\n".join(problems), end="\n" if problems else "")
        return 1 if problems else 0

    source, tree = root / "build" / "mutants" / "source", root / "build" / "mutants" / "tree"
    copy_tree(root, source)
    subprocess.run(["cmake", "--preset", "release", "-B", tree], cwd=source, check=True,
                   capture_output=True)
    status = 0
    for test in sorted({mutant["test"] for mutant in mutants}):
        if build(tree, test).returncode != 0:
            print(f"{test} does not build as it is")
            return 2
    for mutant in mutants:
        build(tree, mutant["test"])  # As it is: the last mutant was taken back.
        is_green = run(tree, mutant) == 0
        outcome = try_mutant(source, tree, mutant) if is_green else "RED WITHOUT THE DEFECT"
        print(f"{outcome.splitlines()[0]:>10}  {mutant['test']}: {mutant['law']}", flush=True)
        if outcome != "red":
            print(outcome, file=sys.stderr)
            status = max(status, 2 if "BUILD" in outcome else 1)
    return status


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("root", nargs="?", default=".")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--only", default="")
    sys.exit(main(parser.parse_args()))
