#!/usr/bin/env bash
# Builds and runs the tests. Usage: ci/test.sh [--all | --night | --soak] [options of ctest]
#
# Without --all: the release build, without the tests labelled long. --all: those too, and the tests
# again under AddressSanitizer with UndefinedBehaviorSanitizer and under ThreadSanitizer, but for runs
# of whole scenarios. --night: those as well.
# --soak: only the tests labelled soak, which need minutes and gigabytes of disk (TMPDIR), and which
# nothing else runs.
# One ctest run covers every build tree, so its summary, the last lines printed, speaks for all.
set -euo pipefail
# shellcheck source=ci/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

if [[ ${1:-} == -h || ${1:-} == --help ]]; then
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
    exit 0
fi
trees=(release)
select=(-LE '^(long|soak)$')
targets=()
whole=OFF
case "${1:-}" in
--all)
    shift
    trees=(release asan tsan)
    select=(-LE '^soak$')
    ;;
--night)
    shift
    trees=(release asan tsan)
    select=(-LE '^soak$')
    whole=ON
    ;;
--soak)
    shift
    select=(-L '^soak$')
    targets=(soak_tests)
    ;;
esac
if ((${#trees[@]} > 1)); then setup --sanitize; else setup; fi
for tree in "${trees[@]}"; do
    if [[ $tree == release ]]; then
        build "$tree" "${targets[@]}"
    else
        configure "$tree"
        cmake -DPLURESDB_SANITIZE_WHOLE="$whole" "$project/build/$tree" >"$project/build/$tree/configure.log"
        build "$tree" sanitized_tests
    fi
done

# A folder of its own whose tests are those of the build trees.
union="$project/build/tests-of-${#trees[@]}"
mkdir -p "$union"
for tree in "${trees[@]}"; do
    echo "subdirs(\"$project/build/$tree\")"
done >"$union/CTestTestfile.cmake"

# ThreadSanitizer may stop with "unexpected memory mapping" where the kernel randomises more address
# bits than it expects.
launcher=()
if ((${#trees[@]} > 1)) && setarch -R true 2>/dev/null; then
    launcher=(setarch -R)
fi
exec "${launcher[@]}" ctest --test-dir "$union" --output-on-failure --no-tests=error --no-label-summary \
    --parallel "$(nproc)" "${select[@]}" "$@"
