"""Each check of this folder catches what it is for: a violation is planted, and the check names it.

Run by ctest (label tool), or: python3 ci/tests/checks_test.py
"""
import pathlib
import subprocess
import sys
import tempfile
import unittest

CI = pathlib.Path(__file__).resolve().parent.parent
SCHEMA_LINE = "#:schema ../../docs/scenario.schema.json\n"
GOOD_SCENARIO = SCHEMA_LINE + """schema = 1
title = "t"
why = "w"
seed = 1
[[agents]]
name = "a"
[expect]
verdict = "pass"
"""


class Tree(unittest.TestCase):
    """A small project in a temporary folder."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def run_check(self, name):
        result = subprocess.run([sys.executable, CI / name, self.root], text=True,
                                capture_output=True, check=False)
        self.assertEqual(result.stderr, "")
        return result.returncode, result.stdout

    def assert_clean(self, name):
        self.assertEqual(self.run_check(name), (0, ""))

    def assert_caught(self, name, *parts):
        status, out = self.run_check(name)
        self.assertEqual(status, 1, out)
        self.assertEqual(len(out.splitlines()), 1, out)
        for part in parts:
            self.assertIn(part, out)


class Layers(Tree):
    CASES = [  # path, include, what the finding says
        ("engine/base/a.cc", '"engine/io/file_system.h"', "engine/base may not include"),
        ("engine/crdt/a.h", '"engine/io/file_system.h"', "engine/crdt may not include"),
        ("engine/wal/a.cc", '"engine/store/base_store.h"', "engine/wal may not include"),
        ("engine/store/a.cc", '"engine/wal/log.h"', "engine/store may not include"),
        ("engine/core/a.cc", '"faultinj/points.h"', "engine/core may not include"),
        ("engine/core/a.cc", '"harness/common/operation.h"', "engine/core may not include"),
        ("faultinj/a.cc", '"engine/io/posix_file_system.h"', "faultinj may not include"),
        ("faultinj/a.cc", "<pluresdb/engine.h>", "faultinj may not include"),
        ("harness/oracle/a.cc", "<pluresdb/engine.h>", "harness/oracle may not include"),
        ("harness/oracle/a.cc", '"harness/supervisor/run.h"', "harness/oracle may not include"),
        ("harness/supervisor/a.cc", "<pluresdb/engine.h>", "harness/supervisor may not"),
        ("harness/supervisor/a.cc", '"engine/core/engine.h"', "harness/supervisor may not"),
        ("harness/supervisor/a.cc", '"harness/worker/worker.h"', "harness/supervisor may not"),
        ("harness/scenario/a.cc", '"faultinj/fiu_control.h"', "harness/scenario may not"),
        ("engine/core/a.cc", "<fiu.h>", "<fiu.h> does not belong here"),
        ("harness/worker/a.cc", "<fiu-control.h>", "does not belong here"),
        ("harness/supervisor/a.cc", "<prometheus/registry.h>", "does not belong here"),
        ("harness/scenario/read.cc", "<toml++/toml.h>", "does not belong here"),
        ("engine/core/a.cc", "<rocksdb/db.h>", "does not belong here"),
        ("engine/bench/a.cc", "<rocksdb/db.h>", "does not belong here"),
        ("engine/bench/peers/cell.cc", "<rocksdb/db.h>", "does not belong here"),
        ("engine/store/a.cc", "<leveldb/db.h>", "does not belong here"),
        ("engine/core/a.cc", "<lmdb.h>", "does not belong here"),
        ("engine/tests/a.cc", "<sqlite3.h>", "does not belong here"),
        ("engine/bench/peers/a.cc", '"engine/wal/log.h"', "engine/bench/peers may not include"),
        ("engine/core/a.cc", '"engine/bench/peers/peer.h"', "engine/core may not include"),
        ("engine/wal/a.cc", "<openssl/evp.h>", "does not belong here"),
        ("engine/wal/a.cc", "<gtest/gtest.h>", "does not belong here"),
        ("engine/wal/a.cc", "<unistd.h>", "system calls"),
        ("engine/wal/a.cc", "<sys/stat.h>", "system calls"),
        ("harness/oracle/a.cc", "<sys/mman.h>", "no system calls"),
        ("engine/wal/a.cc", "<boost/asio.hpp>", "unknown library"),
        ("engine/odd/a.cc", "<vector>", "in no known module"),
    ]

    def test_a_good_tree_is_clean(self):
        self.write("engine/io/posix_file_system.cc",
                   '#include <fcntl.h>\n#include <vector>\n#include "engine/io/file_system.h"\n'
                   '#include "engine/base/check.h"\n#include <pluresdb/error.h>\n')
        self.write("engine/core/a.cc", '#include "engine/wal/log.h"\n#include <fmt/format.h>\n')
        self.write("engine/bench/peers/rocksdb_peer.cc",
                   '#include <rocksdb/db.h>\n#include "engine/bench/peers/peer.h"\n'
                   "#include <pluresdb/error.h>\n")
        self.write("engine/bench/peers/sqlite_peer.cc", "#include <sqlite3.h>\n")
        self.write("faultinj/a.cc", '#include <fiu.h>\n#include "engine/io/file_system.h"\n')
        self.write("harness/scenario/parse.cc", "#include <toml++/toml.h>\n")
        self.write("harness/worker/a.cc", "#include <pluresdb/engine.h>\n#include <unistd.h>\n")
        self.assert_clean("check_layers.py")

    def test_each_planted_include_is_caught(self):
        for path, include, finding in self.CASES:
            with self.subTest(path=path, include=include):
                self.setUp()
                self.write(path, f"// A file.\n#include {include}\n")
                self.assert_caught("check_layers.py", path, finding)

    def test_the_finding_names_the_line(self):
        self.write("engine/base/a.cc", '// A file.\n\n#include "engine/wal/log.h"\n')
        self.assert_caught("check_layers.py", "engine/base/a.cc:3: ")

    def test_an_empty_tree_is_no_success(self):
        self.assertEqual(self.run_check("check_layers.py")[0], 1)


class HouseRules(Tree):
    CASES = [  # path, line, rule in the finding
        ("engine/core/a.cc", "auto x = result.value();", "value"),
        ("engine/core/a.cc", 'if (fiu_fail("x")) {', "fiu"),
        ("engine/core/a.cc", "int x = std::rand();", "rand"),
        ("engine/core/a.cc", "throw 1;", "exception"),
        ("engine/core/a.cc", "auto t = std::chrono::system_clock::now();", "clock"),
        ("engine/core/a.cc", "// TO" + "DO: later", "leftover"),
        ("engine/core/a.cc", "// FIX" + "ME", "leftover"),
        ("docs/a.md", "TO" + "DO: write this", "leftover"),
        ("engine/tests/helper.cc", "std::this_thread::sleep_for(1s);", "sleep"),
        ("engine/tests/helper.cc", "TEST(A, DISABLED_B) {}", "disabled"),
        ("engine/core/a.cc", "// " + "x" * 98, "101 columns"),
        ("engine/core/a.cc", "\n" * 500, "more than 500 lines"),
        ("engine/core/a.cc", "DB_CHECK(x);  // INV-WAL-77", "INV-WAL-77 is not defined"),
        ("docs/INVARIANTS.md", "| INV-WAL-78 | text |", "INV-WAL-78 stands nowhere"),
        ("engine/tests/lonely_test.cc", "// A test.", "no CMake file registers"),
        ("docs/DURABILITY.md", "| a promise | `Log.KeepsIt` |", "there is no test Log.KeepsIt"),
        ("docs/DURABILITY.md", "Held by `Log.*`.", "there is no test Log.*"),
    ]

    def test_each_planted_violation_is_caught(self):
        for path, line, finding in self.CASES:
            with self.subTest(line=line[:60]):
                self.setUp()
                self.write("engine/base/good.cc", "// A file.\n")
                self.write(path, line + "\n")
                self.assert_caught("check_tidy.py", path, finding)

    def test_promises_name_tests_that_exist(self):
        self.write("engine/tests/log.cc", "TEST(Log, KeepsIt) {}\nTEST_F(DiskTest, IsFull) {}\n"
                   "RC_GTEST_PROP(Laws, Hold, ()) {}\n")
        self.write("docs/DURABILITY.md", "`Log.KeepsIt`, `DiskTest.*`, `Laws.Ho*`, `STORE.tmp`\n")
        self.assert_clean("check_tidy.py")
        self.write("docs/DURABILITY.md", "`Log.Keeps`\n")
        self.assert_caught("check_tidy.py", "docs/DURABILITY.md:1", "Log.Keeps")

    def test_what_only_looks_like_a_violation_is_not_one(self):
        self.write("engine/core/a.cc", "// Never sleep_for or throw; .value() is not called.\n"
                   'const char* text = "throw";\nint code = error.value();\n'
                   'auto x = xml.attribute("name").value();\n'
                   'constexpr auto kCss = R"css(\n' + "y" * 200 + '\n)css";\n')
        self.write("harness/worker/a.cc", "std::this_thread::sleep_for(1s);\n")
        self.assert_clean("check_tidy.py")

    def test_a_reason_excuses_and_an_empty_one_does_not(self):
        self.write("engine/tests/a.cc",
                   "// tidy: sleep: the child is killed while it sleeps\nsleep_for(1s);\n")
        self.assert_clean("check_tidy.py")
        self.write("engine/tests/a.cc", "// tidy: sleep: \nsleep_for(1s);\n")
        self.assert_caught("check_tidy.py", "sleep")
        self.write("engine/tests/a.cc",
                   "// tidy: value: a reason for another rule\nsleep_for(1s);\n")
        self.assert_caught("check_tidy.py", "sleep")

    def test_a_missing_newline_at_the_end_is_caught(self):
        self.write("engine/core/a.cc", "int x;")
        self.assert_caught("check_tidy.py", "no newline")


class Scenarios(Tree):
    def setUp(self):
        super().setUp()
        self.write("scenarios/smoke/a.toml", GOOD_SCENARIO)
        self.write("docs/user.md", "See scenarios/smoke/a.toml and scenarios/negative/n.toml.\n")

    def test_a_good_scenario_is_clean(self):
        self.assert_clean("check_scenarios.py")

    def test_each_missing_part_is_caught(self):
        for remove, finding in [('title = "t"\n', "no title"), ('why = "w"\n', "no why"),
                                ("seed = 1\n", "no seed"), (SCHEMA_LINE, "the first line"),
                                ('"pass"', "scenarios/smoke/a.toml")]:
            with self.subTest(remove=remove):
                self.write("scenarios/smoke/a.toml", GOOD_SCENARIO.replace(remove, "", 1))
                self.assert_caught("check_scenarios.py", finding)

    def test_an_unused_scenario_is_caught(self):
        self.write("docs/user.md", "Nothing.\n")
        self.assert_caught("check_scenarios.py", "no test, script or document uses it")

    def test_a_folder_has_its_verdict(self):
        self.write("scenarios/negative/n.toml", GOOD_SCENARIO)
        status, out = self.run_check("check_scenarios.py")
        self.assertEqual(status, 1)
        self.assertIn('in negative expects "fail"', out)
        self.assertIn("names the check", out)

    def test_no_scenarios_is_no_success(self):
        (self.root / "scenarios/smoke/a.toml").unlink()
        self.assert_caught("check_scenarios.py", "no scenarios")


if __name__ == "__main__":
    unittest.main()
