// One step of a scan over the documents of a base store.
#pragma once

#include <string>

#include <rocksdb/iterator.h>

#include "engine/store/base_store.h"
#include <pluresdb/error.h>

namespace pluresdb::store {

/// Moves on, unless this is the first call (`started` false), and reads; false at the end.
/// kCorruption, kIo. One thread at a time.
Result<bool> next_document(rocksdb::Iterator* iterator, bool& started, std::string& id,
                           BaseValue& value);

}  // namespace pluresdb::store
