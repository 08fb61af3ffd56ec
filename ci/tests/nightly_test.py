"""ci/nightly.sh runs a scenario within its limit, keeps the run folder as an archive and exits with
the verdict. The binary under test is SOAK_BINARY; the script uses it as built, in a copy of ci/
that has no setup and no build to do."""
import json
import os
import pathlib
import shutil
import subprocess
import tarfile
import tempfile
import unittest

PROJECT = pathlib.Path(__file__).resolve().parent.parent.parent
SOAK = os.environ.get("SOAK_BINARY", str(PROJECT / "build/release/bin/pluresdb-soak"))
SCENARIO = str(PROJECT / "scenarios/soak/nightly-24h.toml")
QUICK = str(PROJECT / "scenarios/smoke/quick.toml")


class Nightly(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        ci = self.folder / "ci"
        ci.mkdir()
        shutil.copy(PROJECT / "ci/nightly.sh", ci)
        # The real common.sh, with the build tree of the test instead of build/release.
        common = (PROJECT / "ci/common.sh").read_text()
        (ci / "common.sh").write_text(common + "\nsetup() { :; }\nbuild() { :; }\n")
        binary = self.folder / "build/release"
        binary.mkdir(parents=True)
        (binary / "bin").symlink_to(pathlib.Path(SOAK).parent)
        self.out = self.folder / "out"

    def nightly(self, *arguments, **environment):
        return subprocess.run([self.folder / "ci/nightly.sh", *arguments, "--out", self.out],
                              text=True, capture_output=True, check=False, cwd=self.folder,
                              env={**os.environ, **environment})

    def summary_of_archive(self, result):
        archive = result.stdout.splitlines()[-1]
        with tarfile.open(archive) as tar:
            return json.load(tar.extractfile("run/summary.json"))

    def test_the_status_is_the_verdict_and_the_archive_holds_the_run(self):
        # The seed and length are fixed, what the machine makes of them is not: a slow one may end
        # inconclusive. The contract is that status and summary say the same.
        result = self.nightly(QUICK, "--duration", "8s", "--listen", "127.0.0.1:0")
        summary = self.summary_of_archive(result)
        statuses = {"pass": 0, "fail": 1, "inconclusive": 2}
        self.assertEqual(result.returncode, statuses[summary["verdict"]], result.stderr)
        self.assertNotEqual(summary["verdict"], "fail", result.stderr)
        self.assertGreater(summary["operations"]["acknowledged"], 0)

    def test_the_limit_ends_a_run_with_a_report(self):
        result = self.nightly(SCENARIO, "--duration", "1h", "--time-limit", "6s",
                              "--listen", "127.0.0.1:0")
        summary = self.summary_of_archive(result)
        self.assertEqual(summary["verdict"], "inconclusive", result.stderr)
        self.assertEqual(result.returncode, 2, result.stderr)
        self.assertLess(summary["duration_seconds"], 600)

    def test_an_invalid_scenario_is_status_three_and_leaves_no_archive(self):
        bad = self.folder / "bad.toml"
        bad.write_text("schema = 1\n")
        result = self.nightly(str(bad))
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertEqual(result.stdout, "")
        self.assertIn("bad.toml", result.stderr)

    def test_wrong_arguments_are_status_three(self):
        for arguments in ([], ["--duration", "5s"], [QUICK, "--time-limit", "soon"],
                          [QUICK, "--duration"]):
            result = subprocess.run([self.folder / "ci/nightly.sh", *arguments], text=True,
                                    capture_output=True, check=False)
            self.assertEqual(result.returncode, 3, (arguments, result.stderr))

    def test_an_earlier_run_is_not_overwritten(self):
        (self.out / "run").mkdir(parents=True)
        self.assertEqual(self.nightly(QUICK).returncode, 4)


if __name__ == "__main__":
    unittest.main()
