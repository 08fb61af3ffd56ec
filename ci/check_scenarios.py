#!/usr/bin/env python3
"""Fails when a scenario is not what the project promises about all of them.

Usage: ci/check_scenarios.py [ROOT] [--soak BINARY]. Each scenarios/**/*.toml must name the schema,
have title, why, seed and [expect], live in a known folder with the verdict of that folder, be named
by a test, a script or a document, and pass `pluresdb-soak validate`. docs/scenario.schema.json and
the tables of docs/SCENARIOS.md must be what the binary prints. Exit 0, 1 on findings, 2 without
binary.
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tomllib

# Folder -> the verdict its scenarios must expect; None: any.
FOLDERS = {"smoke": "pass", "faults": "pass", "soak": "pass", "compare": "pass", "negative": "fail"}
SCHEMA_LINE = "#:schema ../../docs/scenario.schema.json"
USERS = ("*.cmake", "CMakeLists.txt", "*.cc", "*.sh", "*.yml", "*.py", "*.md")
GENERATED = re.compile(r"<!-- generated: pluresdb-soak list ([a-z]+) -->\n(.*?)<!-- end -->", re.S)


def text_findings(path, text):
    """What the text alone shows, without the binary."""
    if not text.startswith(SCHEMA_LINE + "\n"):
        yield f"{path}:1: the first line is not {SCHEMA_LINE}"
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        yield f"{path}:1: {error}"
        return
    for key in ("title", "why", "seed", "expect"):
        if not data.get(key) and data.get(key) != 0:
            yield f"{path}:1: no {key}"
    folder = pathlib.PurePosixPath(path).parent.name
    if folder not in FOLDERS:
        yield f"{path}:1: scenarios live in {', '.join(FOLDERS)}"
        return
    expect = data.get("expect", {})
    if expect.get("verdict", "pass") != FOLDERS[folder]:
        yield f"{path}:1: a scenario in {folder} expects \"{FOLDERS[folder]}\""
    if folder == "negative" and not expect.get("check"):
        yield f"{path}:1: a negative scenario names the check that must fail"


def user_texts(root):
    """Everything that can name a scenario."""
    texts = []
    for pattern in USERS:
        for file in root.rglob(pattern):
            relative = file.relative_to(root).as_posix()
            if not relative.startswith(("build/", "runs/", "ci/check_scenarios.py")):
                texts.append(file.read_text(encoding="utf-8"))
    return "\n".join(texts)


def binary_findings(root, soak, files):
    """What the binary says about the scenarios and the documents made by it."""
    result = subprocess.run([soak, "validate", "--no-color", *files], cwd=root, text=True,
                            capture_output=True, check=False)
    if result.returncode != 0:
        yield from (result.stderr.strip() or f"{soak} validate failed").splitlines()

    def listing(topic):
        return subprocess.run([soak, "list", topic], text=True, capture_output=True,
                              check=True).stdout

    schema = root / "docs/scenario.schema.json"
    if not schema.exists() or schema.read_text() != listing("schema"):
        yield "docs/scenario.schema.json:1: stale; write it with `pluresdb-soak list schema`"
    document = root / "docs/SCENARIOS.md"
    parts = GENERATED.findall(document.read_text()) if document.exists() else []
    if not parts:
        yield "docs/SCENARIOS.md:1: no generated tables"
    for topic, text in parts:
        if text.strip() != listing(topic).strip():
            yield f"docs/SCENARIOS.md:1: stale; the table is `pluresdb-soak list {topic}`"


def main(arguments):
    root = pathlib.Path(arguments.root)
    files = sorted(p.relative_to(root).as_posix() for p in (root / "scenarios").rglob("*.toml"))
    findings = [] if files else ["scenarios:1: no scenarios"]
    users = user_texts(root)
    for path in files:
        findings += text_findings(path, (root / path).read_text(encoding="utf-8"))
        if path not in users:
            findings.append(f"{path}:1: no test, script or document uses it")
    if arguments.soak and files:
        if not pathlib.Path(arguments.soak).exists():
            print(f"{arguments.soak} is not built")
            return 2
        findings += binary_findings(root, arguments.soak, files)
    for line in findings:
        print(line)
    return 1 if findings else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("root", nargs="?", default=".")
    parser.add_argument("--soak", default="")
    sys.exit(main(parser.parse_args()))
