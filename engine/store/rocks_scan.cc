#include "engine/store/rocks_scan.h"

#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include <rocksdb/iterator.h>
#include <rocksdb/options.h>
#include <rocksdb/slice.h>
#include <rocksdb/sst_file_reader.h>
#include <rocksdb/status.h>

#include "engine/store/base_store.h"
#include "engine/store/rocks_status.h"
#include "engine/store/value_codec.h"
#include <pluresdb/error.h>

namespace pluresdb::store {

Result<bool> next_document(rocksdb::Iterator* iterator, bool& started, std::string& id,
                           BaseValue& value) {
  const auto view = [](const rocksdb::Slice& text) {
    return std::string_view(text.data(), text.size());
  };
  if (started && iterator->Valid()) {
    iterator->Next();
  }
  started = true;
  if (!iterator->Valid()) {
    if (!iterator->status().ok()) {
      return std::unexpected(to_error(iterator->status(), "scan the base store"));
    }
    return false;
  }
  const auto found = document_id(view(iterator->key()));
  if (!found) {
    return fail(ErrorCode::kCorruption, "base store record: unknown key");
  }
  id.assign(*found);
  TRY(decode_value(view(iterator->value()), value));
  return true;
}

Status read_bounds(const rocksdb::Options& options, const std::string& path) {
  rocksdb::SstFileReader reader(options);
  auto status = reader.Open(path);
  if (status.ok()) {
    const std::unique_ptr<rocksdb::Iterator> keys(reader.NewIterator(rocksdb::ReadOptions()));
    keys->SeekToFirst();
    if (keys->Valid()) {
      keys->SeekToLast();
    }
    status = keys->status();
  }
  if (!status.ok()) {
    return std::unexpected(to_error(status, "read a checkpoint back"));
  }
  return {};
}

}  // namespace pluresdb::store
