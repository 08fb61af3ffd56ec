#!/usr/bin/env bash
# A long run within a time limit, kept as an artefact.
# Usage: ci/nightly.sh SCENARIO [--duration D] [--time-limit T] [--out DIR] [options of run]
#
# --duration D    how long the scenario lasts, as 24h; default: its own duration
# --time-limit T  as 23h30m is not written: one number and unit, as 1410m; then the run is asked to
#                 stop (SIGTERM: full report, verdict inconclusive), and killed 10 minutes later
# --out DIR       holds the run folder and its archive; default: runs/nightly-UTC
# The path of the archive is the last line of stdout. The exit status is the verdict of the run: 0
# pass, 1 fail, 2 inconclusive, 3 invalid scenario or arguments, 4 environment or killed.
set -euo pipefail
# shellcheck source=ci/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

usage() {
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" >&2
    exit 3
}
if (($# == 0)) || [[ $1 == -* ]]; then usage; fi
scenario="$1"
shift
out=''
limit=''
options=(--quiet)
while (($#)); do
    case "$1" in
    --time-limit | --out | --duration)
        if (($# < 2)); then usage; fi
        case "$1" in
        --time-limit) limit="$2" ;;
        --out) out="$2" ;;
        --duration) options+=(--duration "$2") ;;
        esac
        shift 2
        ;;
    *)
        options+=("$1")
        shift
        ;;
    esac
done
if [[ -n $limit && ! $limit =~ ^[0-9]+(\.[0-9]+)?[smhd]$ ]]; then
    say "nightly: --time-limit: write a number and s, m, h or d, as 1410m"
    exit 3
fi
if [[ -z $out ]]; then out="runs/nightly-$(date -u +%Y%m%dT%H%M%SZ)"; fi
if [[ -e $out/run ]]; then
    say "nightly: $out/run exists already; give another --out"
    exit 4
fi

setup
build release pluresdb-soak pluresdb-soak-worker
mkdir -p "$out"

run=("$project/build/release/bin/pluresdb-soak" run "$scenario" --out "$out/run" "${options[@]}")
if [[ -n $limit ]]; then
    # --preserve-status: the verdict of a run that was stopped is its own, not that of timeout.
    run=(timeout --preserve-status --signal TERM --kill-after "${NIGHTLY_GRACE:-600s}" "$limit" "${run[@]}")
fi
status=0
"${run[@]}" >&2 || status=$?
# Killed by a signal: no verdict was given.
if ((status > 4)); then
    say "nightly: the run was killed (status $status); it gave no verdict"
    status=4
fi

if [[ -d $out/run ]]; then
    archive="$out/run.tar.gz"
    tar -C "$out" -czf "$archive.part" run
    mv "$archive.part" "$archive"
    if [[ -f $out/run/summary.json ]]; then say "nightly: summary in $out/run/summary.json"; fi
    echo "$archive"
fi
exit "$status"
