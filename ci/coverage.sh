#!/usr/bin/env bash
# Which lines of the engine its own tests run. Usage: ci/coverage.sh [--list] [options of ctest]
#
# Builds build/coverage with gcov's counters and runs the tests of engine/tests in it; prints the
# part of the lines that ran, per folder, and how many lines of error handling never did; --list
# names those. Times mean nothing in this tree.
set -euo pipefail
# shellcheck source=ci/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

list=()
if [[ ${1:-} == --list ]]; then
    list=(--list)
    shift
fi
setup
build coverage engine/tests/all
tree="$project/build/coverage"
# Counts of an earlier run would be added to.
find "$tree" -name '*.gcda' -delete
ctest --test-dir "$tree/engine/tests" --output-on-failure --no-tests=error --no-label-summary "$@" >&2
exec python3 "$project/ci/coverage_report.py" "$tree" "${list[@]}"
