#!/usr/bin/env python3
"""Plants the defects of ci/mutants.toml one by one and fails when its judge does not notice.

Usage: ci/mutate.py [--check] [--only TEXT] [--judge test|scenario] [ROOT]. Works on a copy in
build/mutants, with a release build of its own. A mutant is judged by a unit test, which must turn
red, or by a scenario, which passes without it and must fail by the named check with it. --check:
builds nothing, only sees that each text stands exactly once where it should (part of the lint).
--only: mutants whose law contains TEXT. Prints a table and the mutation score. Exit 0, 1 when a
mutant survived or does not apply, 2 when one does not build.
"""
import argparse
import filecmp
import os
import pathlib
import shutil
import subprocess
import sys
import time
import tomllib

from soak_runs import run_scenario

SOAK_TARGETS = ["pluresdb-soak", "pluresdb-soak-worker"]


class TestJudge:
    """A unit test: anything but success is red."""

    def __init__(self, mutant):
        self.name = mutant["test"]
        self.targets = [mutant["test"]]
        self.filter = mutant["filter"]
        self.environment = mutant.get("environment", {})
        self.key = (self.name, self.filter)

    def problem(self, _root):
        return ""

    def judge(self, _source, tree):
        """Its verdict, what gave it, and after how many seconds."""
        environment = dict(os.environ, RC_PARAMS="max_success=1000 seed=1", **self.environment)
        command = [tree / "tests" / self.name, f"--gtest_filter={self.filter}"]
        began = time.monotonic()
        try:
            status = subprocess.run(command, env=environment, capture_output=True, timeout=300,
                                    check=False).returncode
        except subprocess.TimeoutExpired:
            status = 124  # Noticed, if not nicely.
        return "pass" if status == 0 else "fail", self.filter, time.monotonic() - began

    def convicts(self, verdict, _said):
        return verdict == "fail"


class ScenarioJudge:
    """A scenario: green is a pass, and only the named check convicts, or one of several."""

    def __init__(self, mutant):
        self.name = mutant["scenario"]
        self.targets = SOAK_TARGETS
        check = mutant["check"]
        self.checks = {check} if isinstance(check, str) else set(check)
        self.key = (self.name,)

    def problem(self, root):
        return "" if (root / self.name).is_file() else f"there is no {self.name}"

    def judge(self, source, tree):
        outcome = run_scenario(tree / "bin" / "pluresdb-soak", source / self.name)
        said = ", ".join(outcome.checks) if outcome.verdict == "fail" else outcome.verdict
        return outcome.verdict, said, outcome.seconds_to_find

    def convicts(self, verdict, said):
        return verdict == "fail" and not self.checks.isdisjoint(said.split(", "))


def judge_of(mutant):
    return ScenarioJudge(mutant) if "scenario" in mutant else TestJudge(mutant)


def load(root, only, kind):
    with open(root / "ci" / "mutants.toml", "rb") as file:
        mutants = tomllib.load(file)["mutant"]
    return [mutant for mutant in mutants if only in mutant["law"] and (not kind or kind in mutant)]


def misplaced(root, mutant):
    """Why the mutant does not apply, or nothing."""
    text = (root / mutant["file"]).read_text(encoding="utf-8")
    count = text.count(mutant["replace"])
    if count != 1:
        return f"{mutant['file']}: its text stands there {count} times"
    return judge_of(mutant).problem(root)


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


def build(tree, targets):
    return subprocess.run(["ninja", "-C", tree, *targets], capture_output=True, text=True,
                          check=False)


class Trial:
    """The copy, and what its judges say of it without a mutant."""

    def __init__(self, root):
        self.source = root / "build" / "mutants" / "source"
        self.tree = root / "build" / "mutants" / "tree"
        self.green = {}
        copy_tree(root, self.source)
        subprocess.run(["cmake", "--preset", "release", "-B", self.tree], cwd=self.source,
                       check=True, capture_output=True)

    def is_green(self, judge):
        if judge.key not in self.green:
            build(self.tree, judge.targets)  # As it is: the last mutant was taken back.
            self.green[judge.key] = judge.judge(self.source, self.tree)
        return self.green[judge.key][0] == "pass"

    def outcome(self, mutant, judge):
        """"red", "SURVIVED" or what went wrong; what the judge said; the seconds it needed."""
        if not self.is_green(judge):
            return "RED WITHOUT THE DEFECT", self.green[judge.key][1], 0.0
        path = self.source / mutant["file"]
        original = path.read_text(encoding="utf-8")
        path.write_text(original.replace(mutant["replace"], mutant["with"]), encoding="utf-8")
        try:
            built = build(self.tree, judge.targets)
            if built.returncode != 0:
                return "DOES NOT BUILD", built.stdout[-2000:], 0.0
            verdict, said, seconds = judge.judge(self.source, self.tree)
            return "red" if judge.convicts(verdict, said) else "SURVIVED", said, seconds
        finally:
            path.write_text(original, encoding="utf-8")


def main(arguments):
    root = pathlib.Path(arguments.root).resolve()
    mutants = load(root, arguments.only, arguments.judge)
    problems = [f"{mutant['law']}: {why}" for mutant in mutants if (why := misplaced(root, mutant))]
    if problems or arguments.check:
        print("\n".join(problems), end="\n" if problems else "")
        return 1 if problems else 0

    trial = Trial(root)
    for targets in sorted({tuple(judge_of(mutant).targets) for mutant in mutants}):
        if build(trial.tree, targets).returncode != 0:
            print(f"{', '.join(targets)} does not build as it is")
            return 2
    status = found = 0
    print("| outcome | law that the defect breaks | judge | what noticed | seconds |")
    print("|---|---|---|---|---|")
    for mutant in mutants:
        judge = judge_of(mutant)
        outcome, said, seconds = trial.outcome(mutant, judge)
        last_line = said.strip().splitlines()[-1] if said.strip() else ""
        print(f"| {outcome} | {mutant['law']} | `{judge.name}` | {last_line} | {seconds:.1f} |",
              flush=True)
        found += outcome == "red"
        if outcome != "red":
            print(f"{outcome}: {mutant['law']}\n{said}", file=sys.stderr)
            status = max(status, 2 if "BUILD" in outcome else 1)
    print(f"\nmutation score: {found} of {len(mutants)}")
    return status


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("root", nargs="?", default=".")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--judge", choices=["test", "scenario"], default="")
    sys.exit(main(parser.parse_args()))
