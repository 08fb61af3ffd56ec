#!/usr/bin/env python3
"""How long the harness needs to convict each planted defect: a table, medians over several seeds.

Usage: ci/time_to_find.py [--seeds N] [--soak BINARY] [SCENARIO...]. Without scenarios: all of
scenarios/negative. Seeds are the scenario's own and the following ones; the default is 10. Exit 0
when each run ended as its [expect] says, 1 when one did not, 2 without binary.
"""
import argparse
import pathlib
import statistics
import sys
import tomllib

from soak_runs import run_scenario

PROJECT = pathlib.Path(__file__).resolve().parent.parent


def measure(soak, path, seeds):
    """The table's row, and the runs that ended otherwise."""
    scenario = tomllib.loads(path.read_text(encoding="utf-8"))
    expect = scenario["expect"]
    seconds, wrong = [], []
    for seed in range(scenario["seed"], scenario["seed"] + seeds):
        outcome = run_scenario(soak, path, "--seed", str(seed))
        if outcome.verdict == expect["verdict"] and expect["check"] in outcome.checks:
            seconds.append(outcome.seconds_to_find)
        else:
            wrong.append(f"{path}: seed {seed}: {outcome.verdict} by {outcome.checks}")
    median = f"{statistics.median(seconds):.1f} s" if seconds else "never"
    slowest = f"{max(seconds):.1f} s" if seconds else "never"
    defect = scenario.get("defect", {}).get("kind", "none")
    return f"| `{defect}` | `{path.name}` | `{expect['check']}` | {median} | {slowest} |", wrong


def main(arguments):
    if not arguments.soak.exists():
        print(f"{arguments.soak} is not built", file=sys.stderr)
        return 2
    paths = arguments.scenarios or sorted((PROJECT / "scenarios/negative").glob("*.toml"))
    print("| defect | scenario | check that finds it | median | slowest |\n|---|---|---|---|---|")
    all_wrong = []
    for path in paths:
        row, wrong = measure(arguments.soak, path, arguments.seeds)
        print(row, flush=True)
        all_wrong += wrong
    print("\n".join(all_wrong), end="\n" if all_wrong else "", file=sys.stderr)
    return 1 if all_wrong else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("scenarios", nargs="*", type=pathlib.Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--soak", type=pathlib.Path,
                        default=PROJECT / "build/release/bin/pluresdb-soak")
    sys.exit(main(parser.parse_args()))
