// Reads documents: the table first, then the base store, large values from the log.
//
// The order matters: a checkpoint moves documents from the table to the base store, so whoever
// looks into the table first cannot miss one on its way.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/core/checkpointer.h"
#include "engine/core/document_table.h"
#include "engine/store/base_store.h"
#include "engine/wal/log.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>

namespace pluresdb::core {

/// Thread: any.
class DocumentReader {
 public:
  DocumentReader(const DocumentTable& table, store::BaseStore& base, wal::Log& log,
                 const Checkpointer& checkpointer)
      : table_(table), base_(base), log_(log), checkpointer_(checkpointer) {}

  /// See Engine::get.
  Result<std::optional<Document>> get(std::string_view id);
  /// See Engine::list.
  Result<std::vector<Document>> list(std::string_view prefix, std::string_view from,
                                     std::size_t limit);
  /// See Engine::list_ids.
  Result<std::vector<std::string>> list_ids(std::string_view prefix, std::string_view from,
                                            std::size_t limit);

 private:
  using IdAndValue = std::pair<std::string, store::BaseValue>;
  /// What is known of `id`, tombstones included.
  Result<std::optional<store::BaseValue>> look_up(std::string_view id);
  /// Ids from `from` on, tombstones included, as far as one look at table and base store reaches;
  /// `complete`: nothing follows.
  struct Page {
    std::vector<IdAndValue> entries;
    bool complete = false;
  };
  Result<Page> page(std::string_view prefix, std::string_view from, std::size_t entries_max);
  /// `cut_off`: set when it failed only because the base store was reopened meanwhile.
  Result<Page> look_at_page(std::string_view prefix, std::string_view from, std::size_t entries_max,
                            bool& cut_off);
  /// Calls `take` for each live document in order, until `taken`, which it fills, has `limit`.
  template <typename Taken, typename Take>
  Status walk(std::string_view prefix, std::string_view from, std::size_t limit, const Taken& taken,
              const Take& take);
  /// Completes a live document; nullopt when it is gone meanwhile.
  Result<std::optional<Document>> complete(std::string id, store::BaseValue value);
  Status check_base() const;

  const DocumentTable& table_;
  store::BaseStore& base_;
  wal::Log& log_;
  const Checkpointer& checkpointer_;
};

}  // namespace pluresdb::core
