#!/usr/bin/env python3
"""Fails when a file includes what its place in the house does not allow.

Usage: ci/check_layers.py [ROOT]. Prints a line per finding; exit 0 none, 1 some.

Three tables: which module may include which other module of the project, which files may include
which third-party library, and where system calls may be made. A header that no table knows is a
finding too, so that a new dependency is a decision.
"""
import pathlib
import re
import sys

ENGINE_BELOW_STORE = {"engine/include", "engine/base", "engine/io"}
ENGINE = ENGINE_BELOW_STORE | {"engine/crypto", "engine/crdt", "engine/wal", "engine/store",
                               "engine/vindex", "engine/core"}
HARNESS = {"harness/common", "harness/scenario", "harness/oracle", "harness/metrics",
           "harness/report", "harness/supervisor", "harness/worker", "harness/fleet"}
# The error type is the one thing of the engine that everybody shares.
ERROR = {"pluresdb/error.h"}

# Module -> what it may include besides itself: modules, or single headers.
MODULES = {
    "engine/include": set(),
    "engine/base": {"engine/include"},
    "engine/io": {"engine/include", "engine/base"},
    "engine/crypto": ENGINE_BELOW_STORE,
    "engine/crdt": {"engine/include", "engine/base"},
    "engine/wal": ENGINE_BELOW_STORE | {"engine/crypto"},
    "engine/store": ENGINE_BELOW_STORE | {"engine/crypto"},
    "engine/vindex": {"engine/include", "engine/base", "engine/store", "engine/crdt"},
    "engine/core": ENGINE,
    "engine/migrate": ENGINE_BELOW_STORE | {"engine/wal"},
    "engine/tools": ENGINE | {"engine/migrate"},
    "engine/bench": ENGINE,
    # Beside other stores this one is what its users see: the public API.
    "engine/bench/peers": ENGINE_BELOW_STORE | {"engine/bench"},
    "engine/examples": {"engine/include"},
    "engine/fuzz": ENGINE | {"engine/fuzz/driver"},
    # Whoever is fuzzed: it knows nothing of either side.
    "engine/fuzz/driver": set(),
    "engine/tests": ENGINE | {"engine/migrate", "engine/tools", "engine/bench",
                              "engine/bench/peers", "faultinj"},
    "faultinj": {"engine/io/file_system.h", "engine/base"} | ERROR,
    "faultinj/tests": {"engine/io", "engine/base", "faultinj"} | ERROR,
    "harness/common": ERROR,
    "harness/scenario": {"harness/common", "faultinj/points.h"} | ERROR,
    "harness/worker": {"engine/include", "engine/io", "engine/base/clock.h", "faultinj",
                       "harness/common"},
    "harness/oracle": {"harness/common"} | ERROR,
    "harness/metrics": {"harness/common"} | ERROR,
    "harness/report": {"harness/common"} | ERROR,
    "harness/supervisor": {"harness/scenario", "harness/oracle", "harness/metrics",
                           "harness/report", "harness/common", "faultinj"} | ERROR,
    "harness/fleet": {"harness/common", "harness/report", "harness/scenario"} | ERROR,
    "harness/cli": {"harness/scenario", "harness/supervisor", "harness/report", "harness/fleet",
                    "harness/common", "faultinj/points.h"} | ERROR,
    "harness/fuzz": {"harness/scenario", "engine/fuzz/driver"},
    "harness/tests": HARNESS | {"faultinj", "engine/include", "engine/io", "engine/base"},
}
TESTS = ("engine/tests/", "harness/tests/", "faultinj/tests/")

# Third-party headers: pattern -> beginnings of the paths that may include them.
LIBRARIES = [
    (r"fmt/", ("",)),
    (r"(gtest|gmock|rapidcheck)(/|\.h$)", TESTS),
    (r"benchmark/", ("engine/bench/",)),
    (r"fiu(-control|-local)?\.h$", ("faultinj/",)),
    (r"prometheus/", ("harness/metrics/",)),
    (r"toml\+\+/", ("harness/scenario/parse.cc",)),
    # The one exception outside the base store: it is measured as a store of its own.
    (r"rocksdb/", ("engine/store/", "engine/bench/peers/rocksdb_peer.cc", "engine/tests/store",
                   "engine/tests/rocks")),
    # Stores that are only compared with; nothing else is built on them.
    (r"leveldb/", ("engine/bench/peers/leveldb_peer.cc",)),
    (r"lmdb\.h$", ("engine/bench/peers/lmdb_peer.cc",)),
    (r"sqlite3\.h$", ("engine/bench/peers/sqlite_peer.cc",)),
    (r"hnswlib/", ("engine/vindex/",)),
    (r"(openssl/|argon2\.h$)", ("engine/crypto/",)),
    (r"isa-l/", ("engine/base/",)),
    (r"zstd\.h$", ("engine/wal/chunk_compression.cc", "engine/bench/", "engine/tests/wal_")),
    (r"simdjson\.h$", ("engine/base/",) + TESTS),
    (r"pugixml\.hpp$", ("harness/report/",) + TESTS),
    (r"nlohmann/", ("harness/", "engine/bench/peers/report_json.cc")),
    (r"xxhash\.h$", ("harness/common/", "harness/oracle/", "faultinj/", "engine/base/")),
    (r"CLI/", ("harness/cli/main.cc", "engine/tools/", "engine/bench/peers/main.cc")),
]

# Headers of the operating system; in the engine they stand in io/posix_*.cc.
SYSTEM = re.compile(r"(unistd|fcntl|signal|stdlib|malloc|poll|spawn|termios|pthread|netdb|dirent|"
                    r"dlfcn|sched)\.h$"
                    r"|(sys|netinet|arpa|linux)/[a-z_]+\.h$")
SYSTEM_OF_ENGINE = ("engine/io/posix_", "engine/tests/", "engine/bench/")
PURE = ("harness/oracle/", "harness/scenario/")

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
STANDARD = re.compile(r"[a-z_0-9]+$")


def module_of(path):
    """The longest module that holds the path; None outside all of them."""
    found = [m for m in MODULES if path.startswith(m + "/")]
    return max(found, key=len) if found else None


def project_finding(path, header):
    """What is wrong with a header of the project, or None."""
    full = "engine/include/" + header if header.startswith("pluresdb/") else header
    module, target = module_of(path), module_of(full)
    if target is None:
        return f"{header} is in no known module"
    if target == module or MODULES[module] & {target, header}:
        return None
    return f"{module} may not include {header}"


def library_finding(path, header):
    """What is wrong with a header in angle brackets, or None."""
    if STANDARD.match(header):
        return None
    if SYSTEM.match(header):
        if path.startswith("engine/") and not path.startswith(SYSTEM_OF_ENGINE):
            return f"<{header}>: in the engine only io/posix_*.cc make system calls"
        if path.startswith(PURE):
            return f"<{header}>: this folder makes no system calls"
        return None
    for pattern, places in LIBRARIES:
        if re.match(pattern, header):
            return None if path.startswith(places) else f"<{header}> does not belong here"
    return f"<{header}>: an unknown library; give it a row in ci/check_layers.py"


def findings_of(path, text):
    """Findings of one file, as lines."""
    if module_of(path) is None:
        yield f"{path}:1: in no known module"
        return
    for match in INCLUDE.finditer(text):
        kind, header = match.groups()
        project = kind == '"' or header.startswith("pluresdb/")
        finding = (project_finding if project else library_finding)(path, header)
        if finding:
            yield f"{path}:{text.count(chr(10), 0, match.start(1)) + 1}: {finding}"


def main(root):
    count = files = 0
    for top in ("engine", "harness", "faultinj"):
        for file in sorted((root / top).rglob("*")):
            if file.suffix in {".h", ".cc"}:
                files += 1
                for line in findings_of(file.relative_to(root).as_posix(), file.read_text()):
                    print(line)
                    count += 1
    if files == 0:
        print(f"{root}: no sources found")
        return 1
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")))
