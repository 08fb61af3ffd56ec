"""ci/coverage_report.py names the error handling that no test reached, and only that.

Run by ctest (label tool), or: python3 ci/tests/coverage_test.py
"""
import contextlib
import io
import pathlib
import subprocess
import sys
import tempfile
import unittest

PROJECT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(PROJECT / "ci"))
import coverage_report  # noqa: E402  Found by the line above.

# Line numbers count: TRY on 7 and 8, of which main() makes some fail; a lambda in a macro on 16.
HEADER = """#pragma once
#include <pluresdb/error.h>
using pluresdb::ErrorCode;
inline pluresdb::Status fails_if(bool yes) {
  return yes ? pluresdb::Status(pluresdb::fail(ErrorCode::kIo, "x")) : pluresdb::Status{}; }
inline pluresdb::Status shared(int which) {
  TRY(fails_if(which == 1));
  TRY(fails_if(which == 2));
  return {};
}
"""
UNIT = """#include "engine/wal/shared.h"
using pluresdb::Error;
using pluresdb::Status;
static std::unexpected<Error> told() { return pluresdb::fail(ErrorCode::kIo, "y"); }
Status UNIT(int which) {
  TRY(shared(which));
  TRY(fails_if(which == 3));
  if (which == 4) { TRY(fails_if(false)); }
  if (which == 5) {
    return told();
  }
  if (which == 6) {
    which += 1;
  }
  const auto call = [](const auto& f) { return f(); };
  TRY(call([&]() -> Status {
    TRY(fails_if(which == 7)); return {}; }));
  return {};
}
"""
MAIN = """#include "engine/wal/shared.h"
pluresdb::Status first(int);
pluresdb::Status second(int);
int main() {
  const bool ok = first(0).has_value() && !first(1).has_value() && second(0).has_value() &&
                  !second(3).has_value() && !second(7).has_value();
  return ok ? 0 : 1;
}
"""
NEVER = """#include "engine/wal/shared.h"
pluresdb::Status never() {
  TRY(fails_if(false));
  return {};
}
"""


def counted(count, left_out=False):
    line = coverage_report.Line()
    line.add({"count": count, "unexecuted_block": left_out})
    return line


class Judged(unittest.TestCase):
    def assert_judged(self, source, lines, unreached, other):
        pattern = coverage_report.error_pattern([source])
        judged = coverage_report.Judged(source, lines, pattern)
        self.assertEqual([number for number, _ in judged.unreached], unreached)
        self.assertEqual([number for number, _ in judged.other], other)
        return judged

    def test_all_of_a_line_that_handles_an_error_must_have_run(self):
        source = "TRY(a());\nTRY_ASSIGN(const auto x, b());\nTRY(c());\nx = ok ? y : fail(e);"
        judged = self.assert_judged(source, {1: counted(5), 2: counted(5, True), 3: counted(0),
                                             4: counted(2, True)}, [2, 3, 4], [])
        self.assertEqual(judged.errors, 4)

    def test_any_object_file_that_ran_all_of_it_is_enough(self):
        line = counted(5, True)
        line.add({"count": 2, "unexecuted_block": False})
        line.add({"count": 0, "unexecuted_block": False})  # Never ran: says nothing.
        self.assert_judged("TRY(a());", {1: line}, [], [])
        self.assert_judged("TRY(a());", {1: counted(0, False)}, [1], [])

    def test_whatever_makes_an_error_handles_one(self):
        source = "\n".join(["std::unexpected<Error> closed() {", "return closed();",
                            "return std::unexpected(y);", "fail_over();",
                            "if (x.error().code == e) {", "return IOStatus::IOError(x);",
                            "return IOStatus::OK();"])
        self.assert_judged(source, {n: counted(0) for n in range(2, 8)}, [2, 3, 5, 6], [4, 7])

    def test_comments_macros_and_lines_without_code_do_not_count(self):
        source = "// return fail(ErrorCode::kIo, x);\n#define X TRY(a())\nTRY(b());"
        self.assert_judged(source, {1: counted(0), 2: counted(0)}, [], [1])


class Problems(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        (self.root / "a.cc").write_text("  TRY(a());\n  TRY(b());\n")
        lines = {1: counted(1, True), 2: counted(1)}
        self.judged = coverage_report.judge({"a.cc": lines}, self.root)

    def problems(self, *lines):
        return coverage_report.problems(
            self.judged, [{"file": file, "lines": [line]} for file, line in lines], self.root)

    def test_a_line_without_a_reason_is_one(self):
        self.assertEqual(len(self.problems()), 1)
        self.assertIn("a.cc:1: not reached", self.problems()[0])

    def test_a_reason_makes_it_none_in_its_file_only(self):
        self.assertEqual(self.problems(("a.cc", "TRY(a());")), [])
        self.assertEqual(len(self.problems(("b.cc", "TRY(a());"))), 2)

    def test_a_reason_is_for_one_line(self):
        (self.root / "a.cc").write_text("  TRY(a());\n  TRY(a());\n")
        lines = {1: counted(1, True), 2: counted(1, True)}
        self.judged = coverage_report.judge({"a.cc": lines}, self.root)
        self.assertEqual(len(self.problems(("a.cc", "TRY(a());"))), 1)
        self.assertEqual(self.problems(("a.cc", "TRY(a());"), ("a.cc", "TRY(a());")), [])

    def test_a_reason_for_a_line_that_is_gone_is_one(self):
        found = self.problems(("a.cc", "TRY(a());"), ("a.cc", "TRY(gone());"))
        self.assertEqual(len(found), 1)
        self.assertIn("no such line, or not so often: TRY(gone());", found[0])

    def test_a_reason_for_a_line_that_was_reached_is_none(self):
        # Whether threads meet there differs from run to run.
        self.assertEqual(self.problems(("a.cc", "TRY(a());"), ("a.cc", "TRY(b());")), [])


class WithGcov(unittest.TestCase):
    """Two object files with one header in common, and one that nothing links."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.root = pathlib.Path(folder.name).resolve()
        source = cls.root / "engine/wal"
        tree = cls.root / "build/engine"
        source.mkdir(parents=True)
        tree.mkdir(parents=True)
        (source / "shared.h").write_text(HEADER)
        units = {"first": UNIT, "second": UNIT, "main": MAIN, "never": NEVER}
        for name, text in units.items():
            (source / f"{name}.cc").write_text(text.replace("UNIT(", f"{name}("))
        compiler = ["g++", "-std=c++23", "-O0", "-g1", "--coverage", f"-I{cls.root}",
                    f"-I{PROJECT}/engine/include"]
        for name in units:
            subprocess.run([*compiler, "-c", source / f"{name}.cc", "-o", tree / f"{name}.o"],
                           check=True)
        objects = [tree / f"{name}.o" for name in units if name != "never"]
        subprocess.run([*compiler, *objects, "-o", cls.root / "program"], check=True)
        subprocess.run([cls.root / "program"], check=True)
        cls.files = coverage_report.read(cls.root / "build", cls.root)
        cls.judged = coverage_report.judge(cls.files, cls.root)

    def unreached(self, name):
        return [number for number, _ in self.judged[f"engine/wal/{name}"].unreached]

    def test_what_two_object_files_ran_of_a_header_is_added_up(self):
        # first() failed on line 7, second() did not; nobody failed on line 8.
        self.assertEqual(self.unreached("shared.h"), [8])
        # Of first: 0, 1; of second: 0, 3, 7. Line 7 of shared() begins five times.
        self.assertEqual(self.files["engine/wal/shared.h"][8].count, 4)

    def test_each_object_file_counts_for_its_own_source(self):
        # 8 stands behind a condition that never held, 10 in a block that never ran; of the macro on
        # 16, and of the one inside its argument, only second() saw an error.
        self.assertEqual(self.unreached("first.cc"), [4, 7, 8, 10, 16])
        self.assertEqual(self.unreached("second.cc"), [4, 6, 8, 10])

    def test_a_line_that_never_ran_and_handles_no_error_is_named_apart(self):
        self.assertEqual([n for n, _ in self.judged["engine/wal/first.cc"].other], [13])

    def test_a_file_that_nothing_linked_never_ran(self):
        self.assertEqual(self.unreached("never.cc"), [3])

    def test_the_table_adds_up(self):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            coverage_report.print_table(self.files, self.judged)
        words = out.getvalue().splitlines()[-1].split()
        self.assertEqual(words[0], "all")
        unreached = sum(len(one.unreached) for one in self.judged.values())
        self.assertEqual(int(words[-1]), unreached)
        self.assertEqual(int(words[-2]) + unreached,
                         sum(one.errors for one in self.judged.values()))


if __name__ == "__main__":
    unittest.main()
