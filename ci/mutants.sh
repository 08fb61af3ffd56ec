#!/usr/bin/env bash
# Defects of the engine that a running store must give away: each is planted in a copy of the source,
# and its scenario must end in a fail by the named check. Usage: ci/mutants.sh [--all] [--only TEXT]
#
# --all   also those that unit tests must find (ci/mutants.toml has both)
# --only  defects whose law contains TEXT
# Prints a table (defect, scenario, check that found it, seconds to find it) and the mutation score.
# Exit 0, 1 when a defect survived, 2 when one does not build, 4 environment. For the night: the
# first build takes as long as the project's own.
set -euo pipefail
# shellcheck source=ci/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

judge=(--judge scenario)
options=()
while (($#)); do
    case "$1" in
    --all)
        judge=()
        shift
        ;;
    --only)
        if (($# < 2)); then die "--only wants a text"; fi
        options+=(--only "$2")
        shift 2
        ;;
    *)
        sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" >&2
        if [[ $1 == -h || $1 == --help ]]; then exit 0; fi
        exit 3
        ;;
    esac
done
setup
exec "$project/ci/mutate.py" "${judge[@]}" "${options[@]}" "$project"
