// The table of everything that is measured.
#include <array>
#include <span>

#include "engine/bench/peers/peer.h"

namespace pluresdb::bench {
namespace {

constexpr std::array kKinds = {
    PeerKind{.name = "pluresdb",
             .what = "this engine, durability wal",
             .role = PeerRole::kOurs,
             .open = open_pluresdb},
    PeerKind{.name = "pluresdb-log",
             .what = "its write-ahead log alone",
             .role = PeerRole::kOurs,
             .open = open_pluresdb_log},
    PeerKind{
        .name = "pluresdb-async",
        .what = "the log through append_async (the engine's put waits), --under-way per writer",
        .role = PeerRole::kOurs,
        .submits = true,
        .is_recovered = false,
        .open = open_pluresdb_log},
    PeerKind{.name = "pluresdb-encrypted",
             .what = "the engine with encryption at rest, opened with a device key",
             .role = PeerRole::kOurs,
             .open = open_pluresdb_encrypted},
    PeerKind{.name = "rocksdb",
             .what = "sync=true, pipelined writes, recycled logs, LZ4, blob files from 4 KiB",
             .open = open_rocksdb},
    PeerKind{.name = "leveldb", .what = "sync=true, 64 MiB write buffer", .open = open_leveldb},
    PeerKind{.name = "sqlite",
             .what = "WAL, synchronous=FULL, one connection, one transaction per put",
             .open = open_sqlite},
    PeerKind{.name = "sqlite-batched",
             .what = "the same, one transaction for all that wait",
             .is_recovered = false,
             .open = open_sqlite_batched},
    PeerKind{.name = "lmdb",
             .what = "sync, one transaction per put",
             .is_recovered = false,
             .open = open_lmdb},
    PeerKind{.name = "lmdb-batched",
             .what = "the same, one transaction for all that wait",
             .is_recovered = false,
             .open = open_lmdb_batched},
    PeerKind{.name = "device",
             .what = "pwrite + fdatasync into one zero-filled file: what a durable write costs",
             .role = PeerRole::kDevice,
             .writers_max = 1,
             .is_recovered = false,
             .open = open_bare_device},
};

}  // namespace

std::span<const PeerKind> peer_kinds() { return kKinds; }

}  // namespace pluresdb::bench
