#!/usr/bin/env bash
# Which lines of the engine its own tests run. Usage: ci/coverage.sh [--list] [--check] [options of ctest]
#
# Builds build/coverage with gcov's counters and runs the tests of engine/tests in it; prints the
# part of the lines that ran, per folder, and how many of those that handle errors were not reached.
# --list   names those, and every other line that never ran
# --check  exit 1 when one of those has no reason in ci/unreached.toml (for the night)
# Exit 1, too, when a test failed: its counts may be missing. Times mean nothing in this tree.
set -euo pipefail
# shellcheck source=ci/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

options=()
while [[ ${1:-} == --list || ${1:-} == --check ]]; do
    options+=("$1")
    shift
done
setup
build coverage engine/tests/all
tree="$project/build/coverage"
# Counts of an earlier run would be added to.
find "$tree" -name '*.gcda' -delete
status=0
ctest --test-dir "$tree/engine/tests" --output-on-failure --no-tests=error --no-label-summary \
    --parallel "$(jobs)" "$@" >&2 || status=1
python3 "$project/ci/coverage_report.py" "$tree" "${options[@]}" || status=1
exit "$status"
