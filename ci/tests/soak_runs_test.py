"""What the scripts around negative scenarios take for a conviction, and when it came. The binary
under test is SOAK_BINARY."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

CI = pathlib.Path(__file__).resolve().parent.parent
PROJECT = CI.parent
SOAK = os.environ.get("SOAK_BINARY", str(PROJECT / "build/release/bin/pluresdb-soak"))
sys.path.insert(0, str(CI))

import mutate  # noqa: E402
import soak_runs  # noqa: E402


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def run_folder(self, verdict, checks, events):
        summary = {"verdict": verdict,
                   "checks": [{"name": name, "verdict": of} for name, of in checks.items()]}
        (self.root / "summary.json").write_text(json.dumps(summary))
        lines = [json.dumps({"time_seconds": at, "event": event}) for at, event in events]
        (self.root / "events.ndjson").write_text("\n".join(lines) + "\n")
        return soak_runs.outcome_of(self.root)


class Outcomes(Folder):
    def test_the_time_runs_from_the_open_store_to_the_first_conviction(self):
        outcome = self.run_folder(
            "fail", {"reads_exact": "fail", "evidence": "inconclusive", "maybes_stay": "pass"},
            [(0.0, "run_started"), (0.5, "store_created"), (1.0, "killed"), (2.25, "violation"),
             (3.0, "violation"), (4.0, "verdict")])
        self.assertEqual(outcome, soak_runs.Outcome("fail", ["reads_exact"], 1.75))

    def test_what_is_judged_at_the_end_is_found_at_the_end(self):
        outcome = self.run_folder("fail", {"memory_bounded": "fail"},
                                  [(0.5, "store_created"), (9.5, "verdict")])
        self.assertEqual(outcome.seconds_to_find, 9.0)

    def test_no_run_is_no_conviction(self):
        outcome = soak_runs.run_scenario(SOAK, "scenarios/no-such.toml")
        self.assertTrue(outcome.verdict.startswith("status 3"), outcome)
        self.assertEqual(outcome.checks, [])


class ScenarioJudges(Folder):
    MUTANT = {"law": "l", "file": "a.cc", "replace": "x", "with": "y", "scenario": "s.toml",
              "check": "reads_exact"}

    def test_only_a_fail_by_the_named_check_convicts(self):
        judge = mutate.judge_of(self.MUTANT)
        self.assertTrue(judge.convicts("fail", "maybes_stay, reads_exact"))
        self.assertFalse(judge.convicts("fail", "maybes_stay"))
        self.assertFalse(judge.convicts("inconclusive", "reads_exact"))
        self.assertFalse(judge.convicts("pass", ""))

    def test_several_checks_mean_one_of_them(self):
        judge = mutate.judge_of({**self.MUTANT, "check": ["reads_exact", "maybes_stay"]})
        self.assertTrue(judge.convicts("fail", "maybes_stay"))
        self.assertFalse(judge.convicts("fail", "evidence"))

    def test_a_mutant_needs_its_text_once_and_its_scenario(self):
        (self.root / "a.cc").write_text("x x")
        self.assertIn("stands there 2 times", mutate.misplaced(self.root, self.MUTANT))
        (self.root / "a.cc").write_text("x")
        self.assertIn("there is no s.toml", mutate.misplaced(self.root, self.MUTANT))
        (self.root / "s.toml").write_text("")
        self.assertEqual(mutate.misplaced(self.root, self.MUTANT), "")


class TimeToFind(Folder):
    def time_to_find(self, check):
        text = (PROJECT / "scenarios/negative/lost-update.toml").read_text()
        named = 'check = "no_lost_acknowledged_writes"'
        self.assertIn(named, text)
        scenario = self.root / "lost-update.toml"
        scenario.write_text(text.replace(named, f'check = "{check}"'))
        return subprocess.run([CI / "time_to_find.py", "--seeds", "2", "--soak", SOAK, scenario],
                              text=True, capture_output=True, check=False)

    def test_a_row_per_scenario(self):
        result = self.time_to_find("no_lost_acknowledged_writes")
        self.assertEqual(result.returncode, 0, result.stderr)
        row = (r"^\| `lost_update` \| `lost-update.toml` \| `no_lost_acknowledged_writes` \| "
               r"\d+\.\d s \| \d+\.\d s \|$")
        self.assertRegex(result.stdout.splitlines()[-1], row)

    def test_a_defect_that_another_check_finds_is_not_found(self):
        result = self.time_to_find("reads_exact")
        self.assertEqual(result.returncode, 1)
        self.assertIn("never", result.stdout)
        self.assertEqual(len(result.stderr.splitlines()), 2, result.stderr)


if __name__ == "__main__":
    unittest.main()
