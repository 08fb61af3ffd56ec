#include "engine/core/document_reader.h"

#include <algorithm>
#include <cstddef>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "engine/core/arguments.h"
#include "engine/store/base_store.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>

namespace pluresdb::core {
namespace {

/// So many entries of the table are copied under its lock at once.
constexpr std::size_t kPageEntriesMax = 256;

}  // namespace

Status DocumentReader::check_base() const {
  if (!checkpointer_.base_is_trusted()) {
    return fail(ErrorCode::kBaseLost,
                "the base store is older than it was when the store was opened; close and open it");
  }
  return {};
}

Result<std::optional<store::BaseValue>> DocumentReader::look_up(std::string_view id) {
  if (auto value = table_.get(id)) {
    return value;
  }
  TRY(check_base());
  return base_.get(id);
}

Result<std::optional<Document>> DocumentReader::get(std::string_view id) {
  if (!check_document_id(id)) {
    return std::nullopt;  // No such document can exist.
  }
  TRY_ASSIGN(auto value, look_up(id));
  if (!value || value->kind == store::ValueKind::kTombstone) {
    return std::nullopt;
  }
  return complete(std::string(id), *std::move(value));
}

Result<std::optional<Document>> DocumentReader::complete(std::string id, store::BaseValue value) {
  // Each turn but the last has seen a later write of this document than the one before.
  while (value.kind == store::ValueKind::kInLog) {
    auto json = log_.read_value(value.seq, value.value_bytes, value.value_crc);
    if (json) {
      value.json = *std::move(json);
      break;
    }
    if (json.error().code != ErrorCode::kNotFound) {
      return std::unexpected(json.error());
    }
    // Its segment is gone: because a later write stands, or because the log was damaged.
    TRY_ASSIGN(auto later, look_up(id));
    if (!later || later->kind == store::ValueKind::kTombstone) {
      return std::nullopt;
    }
    if (later->seq <= value.seq) {
      return fail(ErrorCode::kCorruption,
                  fmt::format("the value of {} bytes that seq {} wrote is not in the log any more",
                              value.value_bytes, value.seq));
    }
    value = *std::move(later);
  }
  return Document{.id = std::move(id),
                  .json = std::move(value.json),
                  .stamp = std::move(value.stamp),
                  .seq = value.seq};
}

Result<DocumentReader::Page> DocumentReader::page(std::string_view prefix, std::string_view from,
                                                  std::size_t entries_max) {
  while (true) {
    bool cut_off = false;  // The base store was reopened: nobody need hear of it.
    auto found = look_at_page(prefix, from, entries_max, cut_off);
    if (found || !cut_off) {
      return found;
    }
  }
}

Result<DocumentReader::Page> DocumentReader::look_at_page(std::string_view prefix,
                                                          std::string_view from,
                                                          std::size_t entries_max, bool& cut_off) {
  auto range = table_.range(prefix, from, entries_max);
  TRY(check_base());
  TRY_ASSIGN(const auto cursor, base_.cursor(std::max(prefix, from)));
  Page page;
  auto dirty = range.entries.begin();
  IdAndValue stored;
  bool base_ended = false;
  const auto advance = [&]() -> Status {
    const auto found = cursor->next(stored.first, stored.second);
    cut_off = !found && cursor->is_cut_off();
    TRY(found);
    base_ended = !*found || !stored.first.starts_with(prefix);
    return {};
  };
  TRY(advance());
  while (page.entries.size() < entries_max) {
    const bool dirty_ended = dirty == range.entries.end();
    if (dirty_ended && !range.complete) {
      return page;  // Behind it the table must be asked again, and then the base store.
    }
    if (dirty_ended && base_ended) {
      page.complete = true;
      return page;
    }
    const bool take_dirty = !dirty_ended && (base_ended || dirty->first <= stored.first);
    const bool same = take_dirty && !base_ended && dirty->first == stored.first;
    if (!take_dirty) {
      page.entries.push_back(stored);
    } else {
      // The base store was looked at later and may hold a later write.
      page.entries.push_back(same && stored.second.seq > dirty->second.seq ? stored
                                                                           : std::move(*dirty));
      ++dirty;
    }
    if (!take_dirty || same) {
      TRY(advance());
    }
  }
  return page;
}

template <typename Taken, typename Take>
Status DocumentReader::walk(std::string_view prefix, std::string_view from, std::size_t limit,
                            const Taken& taken, const Take& take) {
  std::string next(from);
  while (taken.size() < limit) {
    TRY_ASSIGN(auto found, page(prefix, next, std::min(limit - taken.size(), kPageEntriesMax)));
    if (!found.entries.empty()) {
      next = found.entries.back().first;
      next += '\0';
    }
    for (auto& [id, value] : found.entries) {
      if (value.kind != store::ValueKind::kTombstone) {
        TRY(take(std::move(id), std::move(value)));
      }
    }
    if (found.complete) {
      break;
    }
  }
  return {};
}

Result<std::vector<Document>> DocumentReader::list(std::string_view prefix, std::string_view from,
                                                   std::size_t limit) {
  std::vector<Document> documents;
  TRY(walk(prefix, from, limit, documents, [&](std::string id, store::BaseValue value) -> Status {
    TRY_ASSIGN(auto document, complete(std::move(id), std::move(value)));
    if (document) {
      documents.push_back(*std::move(document));
    }
    return {};
  }));
  return documents;
}

Result<std::vector<std::string>> DocumentReader::list_ids(std::string_view prefix,
                                                          std::string_view from,
                                                          std::size_t limit) {
  std::vector<std::string> ids;
  TRY(walk(prefix, from, limit, ids, [&](std::string id, const store::BaseValue&) -> Status {
    ids.push_back(std::move(id));
    return {};
  }));
  return ids;
}

}  // namespace pluresdb::core
