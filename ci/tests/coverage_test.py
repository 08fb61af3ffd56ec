"""ci/coverage_report.py names the error handling that no test reached, and only that.

Run by ctest (label tool), or: python3 ci/tests/coverage_test.py
"""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import coverage_report  # noqa: E402  Found by the line above.


def counted(count, *branches):
    """A line as gcov gives it; of the branches, those of exceptions are marked by True."""
    line = coverage_report.Line()
    line.add({"count": count, "branches": [{"count": taken, "throw": throws}
                                           for taken, throws in branches]})
    return line


class UnreachedErrors(unittest.TestCase):
    def assert_unreached(self, source, lines, numbers):
        found = [number for number, _ in coverage_report.unreached_errors(source, lines)]
        self.assertEqual(found, numbers)

    def test_a_macro_counts_by_its_error_branch(self):
        source = "TRY(a());\nTRY_ASSIGN(const auto x, b());\nTRY(c());"
        self.assert_unreached(source, {
            1: counted(5, (9, False), (1, False), (5, True), (0, False), (5, False)),
            2: counted(5, (5, True), (0, True), (2, False), (3, False)),
            3: counted(0)}, [1, 3])

    def test_any_object_file_that_reached_it_is_enough(self):
        line = counted(5, (0, False), (5, False))
        line.add({"count": 2, "branches": [{"count": 1, "throw": False},
                                           {"count": 1, "throw": False}]})
        self.assert_unreached("TRY(a());", {1: line}, [])

    def test_what_makes_an_error_counts_by_itself(self):
        source = "return fail(ErrorCode::kIo, x);\nreturn std::unexpected(y);\nfail_over();"
        self.assert_unreached(source, {1: counted(0), 2: counted(1), 3: counted(0)}, [1])

    def test_comments_macros_and_lines_without_code_do_not_count(self):
        source = "// return fail(ErrorCode::kIo, x);\n#define X TRY(a())\nTRY(b());"
        self.assert_unreached(source, {1: counted(0), 2: counted(0)}, [])


if __name__ == "__main__":
    unittest.main()
