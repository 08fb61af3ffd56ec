#!/usr/bin/env python3
"""Fails on what neither compiler nor clang-tidy sees: banned words, long lines, dead names.

Usage: ci/check_tidy.py [ROOT]. Prints a line per finding; exit 0 none, 1 some. A line that has to
break a rule says why: "tidy: RULE: reason" in a comment at its end or on the line above; for the
rule "lines", the length of a file, anywhere in its first ten lines.
"""
import pathlib
import re
import sys

SOURCES = {".h", ".cc"}
TEXTS = SOURCES | {".py", ".sh", ".cmake", ".txt", ".md", ".toml", ".yml", ".yaml", ".json"}
FOLDERS = ("engine", "harness", "faultinj", "ci", ".ci", ".github", "cmake", "scenarios",
           "dashboards", "docs")
LINE_LENGTH = {".h": 100, ".cc": 100, ".py": 100, ".sh": 120, ".cmake": 120}
FILE_LINES = {".h": 500, ".cc": 500}
TEST_FILE_LINES = 800
TESTS = re.compile(r"(^|/)tests/")
GOLDEN = re.compile(r"(^|/)golden/")

# Rule -> (words, paths that are searched, paths that are not, why).
BANNED = {
    "value": (r"(?<!error)(?<!code)(?<!node\(\))(?<!\"\"\))\.value\(\)",
              r"^(engine|harness|faultinj)/", r"$^",
              "throws; use *result after a check, or TRY_ASSIGN"),
    "fiu": (r"\bfiu_(init|fail|enable|disable|rc)[a-z_]*\s*\(", r"^(engine|harness)/", r"$^",
            "libfiu is called in faultinj only"),
    "rand": (r"\bstd::s?rand\b|\bs?rand\(", r"^(engine|harness|faultinj)/", r"$^",
             "not reproducible; use a seeded generator"),
    "sleep": (r"\b(sleep_for|sleep_until|usleep|nanosleep)\b",
              r"(^|/)tests/.*\.(cc|h)$", r"$^",
              "a test waits for a condition, not for time"),
    "clock": (r"\bsystem_clock::now\b", r"^(engine|faultinj)/", r"^engine/base/clock\.cc$",
              "time comes through base::Clock"),
    "disabled": (r"\bDISABLED_|\bGTEST_SKIP_\b", r"(^|/)tests/.*\.(cc|h)$", r"$^",
                 "no disabled tests"),
    "exception": (r"\bthrow\b(?! *\))", r"^(engine|harness|faultinj)/", r"(^|/)tests/",
                  "errors are values"),
    "leftover": (r"\b(TO" r"DO|FIX" r"ME|X" r"XX|BOOT" r"STRAP)\b", r"", r"$^",
                 "finish it, or open an issue"),
}
COMMENT = re.compile(r"//.*|\"(?:[^\"\\\n]|\\.)*\"")
RAW_STRING = re.compile(r'R"(\w*)\((.*?)\)\1"', re.S)
ALLOW = re.compile(r"(?://|#) tidy: ([a-z]+): \S.{9,}")
TEST_NAME = re.compile(r"\b(?:TEST(?:_F|_P)?|RC_GTEST_PROP)\(\s*(\w+),\s*(\w+)")
INVARIANT = re.compile(r"\bINV-[A-Z]+-[0-9]+\b")


def blank(match):
    """A string literal becomes an empty one, a comment nothing."""
    return '""' if match.group().startswith('"') else ""


def raw_string_lines(text):
    """Line indexes inside raw strings: text of another language, with its own line lengths."""
    inside = set()
    for match in RAW_STRING.finditer(text):
        first = text.count("\n", 0, match.start())
        inside.update(range(first, first + match.group().count("\n") + 1))
    return inside


def allowed(rule, lines, index):
    """True when this line or the one above gives the reason for breaking `rule`."""
    for line in lines[max(0, index - 1):index + 1]:
        match = ALLOW.search(line)
        if match and match.group(1) == rule:
            return True
    return False


def line_findings(path, text):
    """Banned words and long lines of one file."""
    suffix = pathlib.PurePosixPath(path).suffix
    lines = text.split("\n")
    limit = LINE_LENGTH.get(suffix)
    rules = [(name, re.compile(words), why) for name, (words, where, not_where, why)
             in BANNED.items() if re.search(where, path) and not re.search(not_where, path)]
    raw = raw_string_lines(text) if suffix in SOURCES else set()
    for index, line in enumerate(lines):
        if limit and len(line) > limit and index not in raw:
            yield f"{path}:{index + 1}: {len(line)} columns; the limit is {limit}"
        for name, words, why in rules:
            # Comments and strings may name what code may not use; a leftover counts anywhere.
            code = line if name == "leftover" or suffix not in SOURCES else COMMENT.sub(blank, line)
            if words.search(code) and not allowed(name, lines, index):
                yield f"{path}:{index + 1}: {name}: {why}"
    most = TEST_FILE_LINES if TESTS.search(path) else FILE_LINES.get(suffix)
    long_for_a_reason = any(allowed("lines", lines, index) for index in range(10))
    if suffix in SOURCES and len(lines) - 1 > most and not long_for_a_reason:
        yield f"{path}:{len(lines) - 1}: more than {most} lines"
    if text and not text.endswith("\n"):
        yield f"{path}:{len(lines)}: no newline at the end"


def invariant_findings(texts):
    """Ids in code and scenarios that docs/INVARIANTS.md does not define, and the reverse."""
    document = texts.get("docs/INVARIANTS.md", "")
    defined = set(re.findall(r"^\| (INV-[A-Z]+-[0-9]+) \|", document, re.M))
    rows = re.findall(r"^\| (INV-[A-Z]+-[0-9]+) \|", document, re.M)
    for name in sorted({n for n in rows if rows.count(n) > 1}):
        yield f"docs/INVARIANTS.md:1: {name} is defined twice"
    used = set()
    for path, text in sorted(texts.items()):
        if not re.match(r"(engine|harness|faultinj|scenarios)/", path):
            continue
        for name in sorted(set(INVARIANT.findall(text))):
            used.add(name)
            if name not in defined:
                yield f"{path}:1: {name} is not defined in docs/INVARIANTS.md"
    # An order of steps has no line that could assert it: such a row names its file.
    for row in re.findall(r"^\| INV-.*", document, re.M):
        name, files = row.split(" ")[1], re.findall(r"`((?:engine|harness|faultinj)/[^`]+)`", row)
        if name not in used and not any(file in texts for file in files):
            yield f"docs/INVARIANTS.md:1: {name} stands nowhere in the code"


def promise_findings(texts):
    """Tests that docs/DURABILITY.md names, as `Suite.Name` or `Suite.Name*`, and nobody has."""
    path = "docs/DURABILITY.md"
    known = set()
    for source, text in texts.items():
        if TESTS.search(source) and source.endswith(".cc"):
            known.update(f"{suite}.{name}" for suite, name in TEST_NAME.findall(text))
    for index, line in enumerate(texts.get(path, "").split("\n")):
        for name in re.findall(r"`([A-Z]\w+\.(?:[A-Z]\w*)?\*?)`", line):
            beginning = name.removesuffix("*")
            if not any(n.startswith(beginning) if name.endswith("*") else n == name for n in known):
                yield f"{path}:{index + 1}: there is no test {name}"


def registration_findings(texts):
    """Test files that no CMake file names: they would never run."""
    cmake = "\n".join(t for p, t in texts.items() if p.endswith((".cmake", "CMakeLists.txt")))
    for path in sorted(texts):
        name = pathlib.PurePosixPath(path).name
        if name.endswith("_test.cc") and name not in cmake:
            yield f"{path}:1: no CMake file registers this test"


def read_texts(root):
    texts = {}
    for folder in FOLDERS:
        for file in sorted((root / folder).rglob("*")):
            path = file.relative_to(root).as_posix()
            known = file.suffix in TEXTS or folder == ".ci"
            if file.is_file() and known and not GOLDEN.search(path) and "__pycache__" not in path:
                texts[path] = file.read_text(encoding="utf-8")
    for file in sorted(root.glob("*")):
        if file.is_file() and file.suffix in {".md", ".txt", ".json"}:
            texts[file.name] = file.read_text(encoding="utf-8")
    return texts


def main(root):
    texts = read_texts(root)
    findings = [line for path, text in texts.items() for line in line_findings(path, text)]
    findings += invariant_findings(texts)
    findings += registration_findings(texts)
    findings += promise_findings(texts)
    for line in findings:
        print(line)
    return 1 if findings or not texts else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")))
