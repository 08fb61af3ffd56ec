// Reading the tables of a base store: one step of a scan over its documents, and their bounds.
#pragma once

#include <string>

#include <rocksdb/iterator.h>
#include <rocksdb/options.h>

#include "engine/store/base_store.h"
#include <pluresdb/error.h>

namespace pluresdb::store {

/// Moves on, unless this is the first call (`started` false), and reads; false at the end.
/// kCorruption, kIo. One thread at a time.
Result<bool> next_document(rocksdb::Iterator* iterator, bool& started, std::string& id,
                           BaseValue& value);

/// Reads the first and the last key of a table. RocksDB 7.8 does so when it brings a table in, and
/// uses the last one also when it could not be read; built with assertions it ends the process
/// there. An error comes from here, and what could be read is in the block cache then. INV-STORE-11
Status read_bounds(const rocksdb::Options& options, const std::string& path);

}  // namespace pluresdb::store
