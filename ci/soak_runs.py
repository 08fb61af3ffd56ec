"""Runs scenarios for scripts of this folder, and reads from run folders how they ended."""
import dataclasses
import json
import pathlib
import subprocess
import tempfile

# Events that convict at once; a run without one was convicted when its end was judged.
CONVICTIONS = {"violation", "worker_ended", "open_failed"}


@dataclasses.dataclass
class Outcome:
    verdict: str            # pass, fail, inconclusive, or what went wrong instead of a run
    checks: list            # that gave this verdict
    seconds_to_find: float  # from the first worker's open store to the first conviction, or the end


def outcome_of(folder):
    """What a run folder says."""
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    checks = [check["name"] for check in summary["checks"]
              if check["verdict"] == summary["verdict"]]
    began = found = ended = None
    for line in (folder / "events.ndjson").read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        ended = event["time_seconds"]
        if event["event"] == "store_created" and began is None:
            began = ended
        elif event["event"] in CONVICTIONS and found is None:
            found = ended
    return Outcome(summary["verdict"], checks, (found or ended) - (began or 0.0))


def run_scenario(soak, scenario, *arguments):
    """Runs `scenario` with the binary `soak`; no run folder stays."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "run"
        result = subprocess.run([soak, "run", scenario, "--quiet", "--listen", "", "--out", out,
                                 *arguments], capture_output=True, text=True, check=False)
        if not (out / "summary.json").exists():
            return Outcome(f"status {result.returncode}: {result.stderr.strip()}", [], 0.0)
        return outcome_of(out)
