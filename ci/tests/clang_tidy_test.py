#!/usr/bin/env python3
"""Tests of run_clang_tidy.py: a finding is found whether its file is read alone or with others."""
import contextlib
import io
import json
import pathlib
import shutil
import sys
import tempfile
import unittest

CI = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CI))
import run_clang_tidy  # noqa: E402

CLEAN = ("namespace {name} {{\nint twice(int value);\n"
         "int twice(int value) {{ return 2 * value; }}\n}}\n")
FOUND = "namespace {name} {{\nint* made(long at) {{ return (int*)at; }}\n}}\n"


@unittest.skipUnless(shutil.which(run_clang_tidy.TOOL),
                     f"no {run_clang_tidy.TOOL}: ci/setup.sh --lint installs it")
class Joined(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.tree = pathlib.Path(folder.name) / "tree"
        self.tree.mkdir()
        shutil.copy(CI.parent / ".clang-tidy", folder.name)
        self.commands = []

    def source(self, path, text):
        file = self.tree.parent / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        self.commands.append({"directory": str(self.tree), "file": str(file),
                              "command": f"c++ -std=c++23 -o a.o -c {file}"})

    def run_lint(self):
        """Exit code and output; what was remembered as clean is used."""
        (self.tree / "compile_commands.json").write_text(json.dumps(self.commands))
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            code = run_clang_tidy.main(self.tree, set(), False)
        return code, out.getvalue()

    def test_clean_sources_are_read_together_and_remembered(self):
        for name in ("a", "b", "c"):
            self.source(f"wal/{name}.cc", CLEAN.format(name=name))
        code, out = self.run_lint()
        self.assertEqual(code, 0, out)
        self.assertNotIn("one by one", out)
        self.assertIn("3 sources, 3 checked, 0 with findings", out)
        self.assertIn("3 sources, 0 checked, 0 with findings", self.run_lint()[1])

    def test_a_finding_in_one_of_several_is_reported_with_its_file(self):
        for name in ("a", "b", "c"):
            self.source(f"wal/{name}.cc", (FOUND if name == "b" else CLEAN).format(name=name))
        code, out = self.run_lint()
        self.assertEqual(code, 1, out)
        self.assertIn("b.cc:2:", out)
        self.assertIn("3 sources, 3 checked, 1 with findings", out)
        self.assertIn("3 sources, 1 checked, 1 with findings", self.run_lint()[1])

    def test_a_name_that_two_sources_use_is_no_finding(self):
        for name in ("a", "b"):
            self.source(f"wal/{name}.cc", CLEAN.format(name="same"))
        code, out = self.run_lint()
        self.assertEqual(code, 0, out)
        self.assertIn("2 sources are checked one by one", out)

    def test_an_include_that_a_file_has_twice_is_found(self):
        twice = "#include <vector>\n#include <vector>\n"
        self.source("wal/a.cc", CLEAN.format(name="a"))
        self.source("wal/b.cc", twice + CLEAN.format(name="b"))
        code, out = self.run_lint()
        self.assertEqual(code, 1, out)
        self.assertIn("readability-duplicate-include", out)

    def test_no_sources_is_no_success(self):
        self.assertEqual(self.run_lint()[0], 1)


if __name__ == "__main__":
    unittest.main()
