#!/usr/bin/env bash
# Installs what ci/packages.txt lists and this machine lacks. Usage: ci/setup.sh [--lint] [--sanitize] [--fuzz]
#
# Silent and quick when nothing is missing. Without apt-get or root it names what is missing,
# installs nothing and exits 4.
set -euo pipefail
folder="$(dirname "${BASH_SOURCE[0]}")"

wanted='build'
for option in "$@"; do
    case "$option" in
    --lint | --sanitize | --fuzz) wanted+="|${option#--}" ;;
    *)
        echo "usage: ci/setup.sh [--lint] [--sanitize] [--fuzz]" >&2
        exit 4
        ;;
    esac
done
mapfile -t packages < <(awk -v wanted="^($wanted)\$" '$1 ~ wanted { print $2 }' "$folder/packages.txt")

missing=("${packages[@]}")
if command -v dpkg-query >/dev/null; then
    # dpkg-query also fails for a package it never heard of; its list of the others still counts.
    installed="$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "${packages[@]}" 2>/dev/null || true)"
    missing=()
    for package in "${packages[@]}"; do
        if ! grep -qxF "installed $package" <<<"$installed"; then
            missing+=("$package")
        fi
    done
fi
if ((${#missing[@]} == 0)); then
    exit 0
fi

refuse() {
    {
        echo "setup: $1; missing packages (Debian 12 names):"
        echo "  ${missing[*]}"
        echo "As root: apt-get update && apt-get install --no-install-recommends ${missing[*]}"
    } >&2
    exit 4
}
for tool in apt-get dpkg-query; do
    command -v "$tool" >/dev/null || refuse "this is not a Debian system (no $tool)"
done
as_root=()
if (($(id -u) != 0)); then
    if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
        refuse 'installing packages needs root'
    fi
    as_root=(sudo -n)
fi

echo "setup: installing ${#missing[@]} packages: ${missing[*]}" >&2
log="$(mktemp)"
trap 'rm -f "$log"' EXIT
# One call for all of them: apt-get either resolves the whole list or installs nothing.
run_apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q "$@" >>"$log" 2>&1; }
if ! run_apt update; then
    echo "setup: apt-get update failed, going on with the lists there are" >&2
fi
if ! run_apt install -y --no-install-recommends "${missing[@]}"; then
    tail -n 30 "$log" >&2
    refuse 'apt-get install failed'
fi
