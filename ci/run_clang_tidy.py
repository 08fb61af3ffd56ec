#!/usr/bin/env python3
"""Runs clang-tidy-19 over the sources, in parallel, and remembers which were clean.

Usage: ci/run_clang_tidy.py BUILD_TREE [--tests | FILE...]. BUILD_TREE holds compile_commands.json;
without files, every source named there, with --tests those in the folders of tests, too. A source
is checked again when it, a project header it includes, its compile command, .clang-tidy or the tool
changed. Exit 0 clean, 1 findings.
"""
import collections
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
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


def flags_of(entry):
    """The compiler's arguments without input and output."""
    words = shlex.split(entry["command"])[1:]
    at = words.index("-o")
    del words[at:at + 2]
    return tuple(w for w in words if w not in ("-c", entry["file"]))


def joined(entries):
    """The text of several sources as one: each header and each source once."""
    seen, lines = set(), []
    for entry in {entry["file"]: entry for entry in entries}.values():
        lines.append(f'#line 1 "{entry["file"]}"')
        for line in pathlib.Path(entry["file"]).read_text(encoding="utf-8").splitlines():
            match = INCLUDE.match(line)
            if match and match.group(2) in seen:
                line = ""
            elif match:
                seen.add(match.group(2))
            lines.append(line)
    return "\n".join(lines) + "\n"


def repeats_include(entry):
    """joined() hides what readability-duplicate-include would find within one file."""
    names = [m.group(2) for m in INCLUDE.finditer(pathlib.Path(entry["file"]).read_text("utf-8"))]
    return len(names) != len(set(names))


def check_together(tree, number, entries):
    """Whether several sources are clean as one text: most of the time goes into their headers."""
    if len(entries) == 1 or any(repeats_include(e) for e in entries):
        return False
    text = tree / f"joined-{number}.cc"
    text.write_text(joined(entries), encoding="utf-8")
    # Behind #line, clang forgets that libstdc++ allows itself what it calls deprecated; g++ warns.
    command = [TOOL, "--quiet", f"--config-file={ROOT / '.clang-tidy'}", str(text), "--",
               *flags_of(entries[0]), "-Wno-deprecated-declarations"]
    result = subprocess.run(command, text=True, capture_output=True, check=False,
                            cwd=entries[0]["directory"])
    text.unlink()
    return result.returncode == 0


def check_group(tree, number, group):
    """[(entry, mark, findings)] of sources with the same flags. What is not clean together, be it
    because two of them use a name of their own twice, is checked one by one: that decides."""
    if check_together(tree, number, [entry for entry, _ in group]):
        return [(entry, mark, "") for entry, mark in group]
    if len(group) > 1:
        folder = pathlib.Path(group[0][0]["file"]).parent
        print(f"clang-tidy: {folder}: {len(group)} sources are checked one by one", flush=True)
    return [(entry, mark, check(tree, entry)) for entry, mark in group]


def groups_of(stale):
    """Sources of one folder with the same flags; tests, main programs and benchmarks alone."""
    groups = collections.defaultdict(list)
    for entry, mark in stale:
        path = pathlib.Path(entry["file"])
        alone = ("/tests/" in entry["file"] or path.name.endswith("main.cc")
                 or path.parent.name == "bench")
        key = str(path) if alone else (path.parent, flags_of(entry))
        groups[key].append((entry, mark))
    return sorted(groups.values(), key=len, reverse=True)


def main(tree, wanted, tests):
    entries = json.loads((tree / "compile_commands.json").read_text())
    if wanted:
        entries = [e for e in entries if pathlib.Path(e["file"]).resolve() in wanted]
    elif not tests:
        entries = [e for e in entries if "/tests/" not in e["file"]]
    version = subprocess.run([TOOL, "--version"], text=True, capture_output=True, check=True).stdout
    clean = tree / "clang-tidy-clean"
    clean.mkdir(exist_ok=True)
    stale = [(e, clean / key_of(ROOT, e, version)) for e in entries]
    stale = [(e, mark) for e, mark in stale if not mark.exists()]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = [pool.submit(check_group, tree, number, group)
                for number, group in enumerate(groups_of(stale))]
        for run in concurrent.futures.as_completed(runs):
            for _, mark, findings in run.result():
                if findings:
                    failed += 1
                    print(findings, flush=True)
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
