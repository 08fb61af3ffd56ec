#!/usr/bin/env bash
# Runs a scenario: ci/soak.sh SCENARIO [options of pluresdb-soak run]
#
# Installs and builds what is missing first; a later call goes straight to the run. The exit status
# is the verdict: 0 pass, 1 fail, 2 inconclusive, 3 invalid scenario or arguments, 4 environment.
set -euo pipefail
# shellcheck source=ci/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

if (($# == 0)) || [[ $1 == -h || $1 == --help ]]; then
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
    echo "Scenarios: ls scenarios/*/*.toml; options: build/release/bin/pluresdb-soak run --help"
    exit $(($# == 0 ? 3 : 0))
fi
setup
build release pluresdb-soak pluresdb-soak-worker
exec "$project/build/release/bin/pluresdb-soak" run "$@"
