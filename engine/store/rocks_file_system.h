// RocksDB's files on the seam: every byte of the base store passes engine/io/file_system.h.
//
// Differences to RocksDB's own file system, each wanted:
//   - LinkFile renames. RocksDB calls it only to bring an ingested file in, and drops the old name
//     itself afterwards; so a checkpoint is written once and leaves no second name behind.
//   - After a failed change of anything but a table file or a log (a MANIFEST write that failed may
//     be there after all), deletions are suspended: they report success and do nothing. RocksDB
//     would delete the table it could not register, although the MANIFEST may name it. What is
//     truly unused goes when the store is opened the next time. INV-STORE-3.
#pragma once

#include <memory>

#include <rocksdb/file_system.h>

#include "engine/io/file_system.h"

namespace pluresdb::store {

/// `files` is not owned. One per open of the store: a new one has deletions enabled. Thread: any.
std::shared_ptr<rocksdb::FileSystem> make_rocks_file_system(io::FileSystem& files);

}  // namespace pluresdb::store
