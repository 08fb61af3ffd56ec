# shellcheck shell=bash
# Shared by the scripts of this folder: source it. Messages go to stderr, so that stdout stays the
# output of the tool that a script runs.

project="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
exit_environment=4

say() { printf '%s\n' "$*" >&2; }

# Fails as an environment problem: the statuses below 4 are verdicts.
die() {
    say "${0##*/}: $*"
    exit "$exit_environment"
}

# Installs what is missing; with --lint also what the lint needs, with --sanitize what the sanitizer trees do.
# shellcheck disable=SC2120
setup() { "$project/ci/setup.sh" "$@" || exit "$exit_environment"; }

# jobs: one per core, but not more than memory allows (about 1 GiB for each compiler).
jobs() {
    local cores memory_kib by_memory
    cores="$(nproc)"
    memory_kib="$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)"
    by_memory=$((memory_kib / 1048576))
    if ((by_memory < 1)); then by_memory=1; fi
    echo $((cores < by_memory ? cores : by_memory))
}

# configure PRESET: only when the build tree is new or was made for another folder; ninja repeats it
# by itself when a CMake file changes.
configure() {
    local tree="$project/build/$1" log
    if [[ -f $tree/build.ninja ]] &&
        grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$project" "$tree/CMakeCache.txt"; then
        return 0
    fi
    say "configuring $1"
    rm -rf "$tree"
    mkdir -p "$tree"
    log="$tree/configure.log"
    if ! (cd "$project" && cmake --preset "$1") >"$log" 2>&1; then
        cat "$log" >&2
        rm -rf "$tree"
        die "cannot configure $1"
    fi
}

# Turns ninja's line per step into a line per tenth of the work; everything else passes.
progress() {
    awk -v what="$1" '
        match($0, /^\[[0-9]+\/[0-9]+\] /) {
            split(substr($0, 2, RLENGTH - 3), step, "/")
            tenth = int(10 * step[1] / step[2])
            if (tenth > shown && step[2] > 3) {
                printf "building %s: %d of %d\n", what, step[1], step[2]
                fflush()
            }
            if (tenth > shown) shown = tenth
            next
        }
        /^ninja: (no work to do|Entering directory)/ { next }
        { print; fflush() }'
}

# build PRESET [TARGET...]: configures when needed; quiet when there is nothing to do.
build() {
    local preset="$1" tree="$project/build/$1"
    shift
    configure "$preset"
    if ! ninja -C "$tree" -j "$(jobs)" "$@" 2>&1 | progress "$preset" >&2; then
        die "the build of $preset failed"
    fi
}
