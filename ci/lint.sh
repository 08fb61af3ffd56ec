#!/usr/bin/env bash
# Checks that need no run: layout, rules of the house, scenarios, scripts, clang-tidy.
# Usage: ci/lint.sh [--all]
#
# --all: clang-tidy of the tests, too, which takes as long as a third of the rest (for the night).
#
# Every check runs, then the script fails if one did. Results of clang-tidy are kept in build/lint.
set -euo pipefail
# shellcheck source=ci/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

tidy=()
if [[ ${1:-} == --all ]]; then tidy=(--tests); fi
setup --lint
cd "$project"
configure lint

failed=()
check() {
    local name="$1"
    shift
    say "lint: $name"
    if ! "$@"; then
        failed+=("$name")
    fi
}

sources() {
    find engine harness faultinj -name '*.h' -print0 -o -name '*.cc' -print0 | sort -z
}
check_format() { sources | xargs -0 -n 40 -P "$(nproc)" clang-format-19 --dry-run -Werror; }
check_scripts() {
    local script
    for script in ci/*.sh .ci/run; do
        bash -n "$script" || return 1
    done
    if command -v shellcheck >/dev/null; then # Optional: not needed to pass.
        shellcheck -x ci/*.sh .ci/run
    fi
}
# The tree is configured, not built: clang-tidy needs only the compile commands. ninja runs CMake
# again when a source or a CMake file came or went.
check_clang_tidy() {
    ninja -C build/lint build.ninja >build/lint/ninja.log || return 1
    ci/run_clang_tidy.py build/lint "${tidy[@]}"
}

check 'clang-format' check_format
check 'layers' ci/check_layers.py
check 'house rules' ci/check_tidy.py
check 'scenarios' ci/check_scenarios.py
check 'mutants' ci/mutate.py --check
check 'scripts' check_scripts
check 'clang-tidy' check_clang_tidy

if ((${#failed[@]})); then
    say "lint: failed: $(printf '%s, ' "${failed[@]}" | sed 's/, $//')"
    exit 1
fi
say 'lint: clean'
