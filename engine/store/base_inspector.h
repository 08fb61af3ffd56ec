// A base store that is looked at and left as it is: for tools, and for making a new store of an old
// one. Nothing is written, locked, removed or merged.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/store/base_store.h"
#include <pluresdb/error.h>

namespace pluresdb::store {

struct TableInfo {
  std::string name;  ///< "000012.sst"
  std::uint64_t bytes = 0;
  std::uint64_t records = 0;  ///< The checkpoint record and superseded writes included; 0: damaged.
};

/// Thread: one at a time. The owner keeps every other process away.
class BaseInspector {
 public:
  /// kBaseLost when it is missing or unreadable. `options.files` may refuse every change.
  static Result<std::unique_ptr<BaseInspector>> open(const BaseStoreOptions& options);
  virtual ~BaseInspector() = default;

  virtual Result<CheckpointMeta> meta() = 0;
  /// Of the files, not of this program.
  virtual Result<std::uint32_t> format_version() = 0;
  /// As BaseStore::cursor, but that it is always open: what cannot be read, next() says. Must end
  /// before the inspector does.
  virtual std::unique_ptr<BaseCursor> cursor(std::string_view from) = 0;
  /// The tables that the MANIFEST names, by name.
  virtual std::vector<TableInfo> tables() const = 0;
  /// Reads every block of one table and compares its checksum. kCorruption, kIo.
  virtual Status verify_table(const TableInfo& table) = 0;
};

}  // namespace pluresdb::store
