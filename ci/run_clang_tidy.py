#!/usr/bin/env python3
"""Runs clang-tidy-19 over the sources, in parallel, and remembers which were clean.

Usage: ci/run_clang_tidy.py BUILD_TREE [--tests | FILE...]. BUILD_TREE holds compile_commands.json;
without files, every source named there, with --tests those in the folders of tests, too. A source
is checked again when it, a project header it includes, its compile command, .clang-tidy or the tool
changed. Exit 0 clean, 1 findings.
"""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

TOOL = "clang-tidy-19"
# The analyzer follows paths into the macros of gtest and takes half of the time there; a test runs
# under the sanitizers anyway. The rest: docs/decisions/0003-lint-time.md.
TEST_CHECKS = ("-clang-analyzer-*,-bugprone-unchecked-optional-access,-performance-*,"
               "-concurrency-mt-unsafe")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def included(root, text):
    """Project headers that `text` includes directly."""
    for kind, name in INCLUDE.findall(text):
        if name.startswith("pluresdb/"):
            yield root / "engine/include" / name
        elif kind == '"':
            yield root / name


def closure(root, source):
    """The source and every project header it reaches, sorted."""
    seen, waiting = set(), [source]
    while waiting:
        file = waiting.pop()
        if file not in seen and file.exists():
            seen.add(file)
            waiting += included(root, file.read_text(encoding="utf-8"))
    return sorted(seen)


def key_of(root, entry, version):
    """Everything the findings of one source depend on."""
    digest = hashlib.sha256((version + TEST_CHECKS).encode())
    digest.update((root / ".clang-tidy").read_bytes())
    digest.update(entry["command"].encode())
    for file in closure(root, pathlib.Path(entry["file"])):
        digest.update(str(file).encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def check(tree, entry):
    """Findings of one source, as text; empty when clean."""
    command = [TOOL, "-p", str(tree), "--quiet", entry["file"]]
    if "/tests/" in entry["file"]:
        command.append(f"--checks={TEST_CHECKS}")
    result = subprocess.run(command, text=True, capture_output=True, check=False)
    return "" if result.returncode == 0 else result.stdout + result.stderr


def main(tree, wanted, tests):
    root = pathlib.Path(__file__).resolve().parent.parent
    entries = json.loads((tree / "compile_commands.json").read_text())
    if wanted:
        entries = [e for e in entries if pathlib.Path(e["file"]).resolve() in wanted]
    elif not tests:
        entries = [e for e in entries if "/tests/" not in e["file"]]
    version = subprocess.run([TOOL, "--version"], text=True, capture_output=True, check=True).stdout
    clean = tree / "clang-tidy-clean"
    clean.mkdir(exist_ok=True)
    stale = [(e, clean / key_of(root, e, version)) for e in entries]
    stale = [(e, mark) for e, mark in stale if not mark.exists()]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = {pool.submit(check, tree, entry): (entry, mark) for entry, mark in stale}
        for run in concurrent.futures.as_completed(runs):
            entry, mark = runs[run]
            if run.result():
                failed += 1
                print(run.result(), flush=True)
            else:
                mark.touch()
    print(f"clang-tidy: {len(entries)} sources, {len(stale)} checked, {failed} with findings",
          flush=True)
    return 1 if failed or not entries else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(pathlib.Path(sys.argv[1]).resolve(),
                  {pathlib.Path(f).resolve() for f in sys.argv[2:] if f != "--tests"},
                  "--tests" in sys.argv[2:]))
