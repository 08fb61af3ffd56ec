// RocksDB's files on the seam: every byte of the base store passes engine/io/file_system.h, sealed
// on its way when the store is encrypted (file_contents.h).
//
// Differences to RocksDB's own file system, each wanted:
//   - LinkFile renames. RocksDB calls it only to bring an ingested file in, and drops the old name
//     itself afterwards; so a checkpoint is written once and leaves no second name behind. A file
//     of which a read has failed is not brought in.
//   - A file that is there can be synced again, never continued or cut.
//   - Deletions pass a gate, because RocksDB deletes what it believes to be unused at two moments
//     when that belief may be wrong: see DeletionGate.
#pragma once

#include <memory>

#include <rocksdb/file_system.h>

#include "engine/crypto/master_keys.h"
#include "engine/io/file_system.h"
#include "engine/store/deletion_gate.h"
#include "engine/store/open_tables.h"

namespace pluresdb::store {

/// `files` and `keys` are not owned; `keys` null: the files are plain. One per open of the store.
/// Thread: any.
std::shared_ptr<rocksdb::FileSystem> make_rocks_file_system(
    io::FileSystem& files, const crypto::MasterKeys* keys, std::shared_ptr<DeletionGate> deletions,
    std::shared_ptr<OpenTables> tables = std::make_shared<OpenTables>());

}  // namespace pluresdb::store
