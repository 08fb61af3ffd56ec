#!/usr/bin/env bash
# Searches with libFuzzer for inputs that break a property. Usage: ci/fuzz.sh [TARGET | all] [SECONDS]
#
# TARGET: one of engine/fuzz/corpus/* and harness/fuzz/corpus/* (default: all, one after the other);
# SECONDS for each (default: 60). What is found is kept as runs/fuzz/findings/TARGET-crash-..., and named. Inputs
# that reach more code gather in runs/fuzz/corpus/TARGET; the next run goes on from there.
# Exit 0 nothing found, 1 found, 2 a target ran no inputs, 3 usage, 4 environment.
set -euo pipefail
# shellcheck source=ci/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

usage() {
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" >&2
    exit "$1"
}
if [[ ${1:-} == -h || ${1:-} == --help ]]; then usage 0; fi
wanted="${1:-all}"
seconds="${2:-60}"
if (($# > 2)) || [[ ! $seconds =~ ^[1-9][0-9]*$ ]]; then usage 3; fi
cd "$project"
targets=()
for corpus in engine/fuzz/corpus/* harness/fuzz/corpus/*; do
    if [[ $wanted == all || $wanted == "${corpus##*/}" ]]; then targets+=("$corpus"); fi
done
if ((${#targets[@]} == 0)); then
    say "fuzz: there is no target $wanted"
    usage 3
fi

setup --sanitize --fuzz
build fuzz fuzz_engine fuzz_harness

findings="runs/fuzz/findings"
status=0
worse() { if ((status == 0 || $1 == 1)); then status="$1"; fi; }
# The limits are part of what is searched for: whoever trusts a length of the input meets them.
limits=(-max_len=4096 -timeout=20 -rss_limit_mb=1024 -malloc_limit_mb=64)
for corpus in "${targets[@]}"; do
    target="${corpus##*/}"
    gathered="runs/fuzz/corpus/$target"
    log="runs/fuzz/$target.log"
    mkdir -p "$gathered" "$findings"
    code=0
    ASAN_OPTIONS='detect_leaks=1:abort_on_error=1' UBSAN_OPTIONS='print_stacktrace=1:halt_on_error=1' \
        "build/fuzz/tests/fuzz_${corpus%%/*}" "--target=$target" "$gathered" "$corpus" "${limits[@]}" \
        "-max_total_time=$seconds" "-artifact_prefix=$findings/$target-" -print_final_stats=1 \
        >"$log" 2>&1 || code=$?
    inputs="$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")"
    found="$(sed -n 's/.*Test unit written to //p' "$log")"
    if [[ -n $found ]]; then
        say "fuzz: $target: FOUND $found after ${inputs:-?} inputs; the log is $log. Again, by itself:"
        say "    build/fuzz/tests/fuzz_${corpus%%/*} --target=$target $found"
        worse 1
    elif ((code != 0)); then
        tail -n 20 "$log" >&2
        die "$target: ended with status $code and kept no input"
    elif [[ ! $inputs =~ ^[1-9] ]]; then
        say "fuzz: $target: no input was run; the log is $log"
        worse 2
    else
        say "fuzz: $target: nothing in $inputs inputs"
    fi
done
exit "$status"
