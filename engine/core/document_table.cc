#include "engine/core/document_table.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "engine/base/check.h"
#include "engine/base/mutex.h"
#include "engine/crdt/version_vector.h"
#include "engine/store/base_store.h"
#include "engine/wal/log.h"
#include <pluresdb/document.h>

namespace pluresdb::core {
namespace {

// A map node, its allocation and the fixed part of the value.
constexpr std::uint64_t kEntryOverheadBytes =
    sizeof(std::pair<const std::string, store::BaseValue>) + 64;

std::uint64_t entry_bytes(std::string_view id, const store::BaseValue& value) {
  return kEntryOverheadBytes + id.size() + value.json.capacity() + value.stamp.actor.size();
}

store::BaseValue value_of(const wal::RecordView& record) {
  store::BaseValue value;
  value.stamp = {
      .hlc = record.hlc, .actor = std::string(record.actor), .actor_seq = record.actor_seq};
  value.seq = record.seq;
  if (record.type == wal::OperationType::kDelete) {
    value.kind = store::ValueKind::kTombstone;
  } else if (record.value_in_log) {
    value.kind = store::ValueKind::kInLog;
    value.value_bytes = record.value_bytes;
    value.value_crc = record.value_crc;
  } else {
    value.kind = store::ValueKind::kInline;
    value.json = record.value;
  }
  return value;
}

bool is_tombstone(const store::BaseValue& value) {
  return value.kind == store::ValueKind::kTombstone;
}

/// Walks the frozen generation, which nobody changes meanwhile.
class FrozenSource final : public store::CheckpointSource {
 public:
  using Documents = std::map<std::string, store::BaseValue, std::less<>>;
  explicit FrozenSource(const Documents& documents)
      : position_(documents.begin()), end_(documents.end()) {}

  bool next(std::string& id, store::BaseValue& value) override {
    if (position_ == end_) {
      return false;
    }
    id = position_->first;
    value = position_->second;
    ++position_;
    return true;
  }

 private:
  Documents::const_iterator position_;
  Documents::const_iterator end_;
};

}  // namespace

void DocumentTable::restore(const store::CheckpointMeta& meta) {
  const base::MutexLock lock(mutex_);
  last_seq_ = meta.checkpoint_seq;
  hlc_floor_ = meta.hlc_floor;
  base_tombstones_ = meta.tombstones;
  for (const auto& [actor, actor_seq] : meta.version_vector) {
    version_vector_.advance(actor, actor_seq);
  }
}

void DocumentTable::apply(std::span<const wal::RecordView> records) {
  const base::MutexLock lock(mutex_);
  for (const wal::RecordView& record : records) {
    apply_one(record);
  }
}

void DocumentTable::apply_one(const wal::RecordView& record) {
  DB_CHECK(record.seq > last_seq_);  // INV-CORE-2
  last_seq_ = record.seq;
  hlc_floor_ = std::max(hlc_floor_, record.hlc);
  version_vector_.advance(record.actor, record.actor_seq);
  ++operations_total_;
  ++active_.progress.operations;
  active_.progress.bytes +=
      record.id.size() + std::max<std::uint64_t>(record.value.size(), record.value_bytes);
  if (record.type != wal::OperationType::kPut && record.type != wal::OperationType::kDelete) {
    return;
  }
  store::BaseValue value = value_of(record);
  const auto found = active_.documents.lower_bound(record.id);
  if (found != active_.documents.end() && found->first == record.id) {
    active_.bytes -= entry_bytes(found->first, found->second);
    active_.tombstones -= is_tombstone(found->second) ? 1U : 0U;
    found->second = std::move(value);
    active_.bytes += entry_bytes(found->first, found->second);
    active_.tombstones += is_tombstone(found->second) ? 1U : 0U;
    return;
  }
  const auto added =
      active_.documents.emplace_hint(found, std::string(record.id), std::move(value));
  active_.bytes += entry_bytes(added->first, added->second);
  active_.tombstones += is_tombstone(added->second) ? 1U : 0U;
}

std::optional<store::BaseValue> DocumentTable::get(std::string_view id) const {
  const base::MutexLock lock(mutex_);
  for (const Generation* generation : {&active_, &frozen_}) {
    const auto found = generation->documents.find(id);
    if (found != generation->documents.end()) {
      return found->second;
    }
  }
  return std::nullopt;
}

DocumentTable::Range DocumentTable::range(std::string_view prefix, std::string_view from,
                                          std::size_t limit) const {
  const std::string_view start = std::max(prefix, from);
  Range range;
  const base::MutexLock lock(mutex_);
  auto active = active_.documents.lower_bound(start);
  auto frozen = frozen_.documents.lower_bound(start);
  const auto ended = [&](const Documents& documents, Documents::const_iterator position) {
    return position == documents.end() || !position->first.starts_with(prefix);
  };
  while (true) {
    const bool active_ended = ended(active_.documents, active);
    const bool frozen_ended = ended(frozen_.documents, frozen);
    if (active_ended && frozen_ended) {
      range.complete = true;
      return range;
    }
    if (range.entries.size() >= limit) {
      return range;
    }
    const bool take_active = !active_ended && (frozen_ended || active->first <= frozen->first);
    if (take_active && !frozen_ended && frozen->first == active->first) {
      ++frozen;
    }
    auto& position = take_active ? active : frozen;
    range.entries.emplace_back(position->first, position->second);
    ++position;
  }
}

DocumentTable::Frozen DocumentTable::freeze() {
  const base::MutexLock lock(mutex_);
  DB_CHECK(!is_frozen_);
  is_frozen_ = true;
  frozen_ = std::move(active_);
  active_ = Generation{};
  Frozen result;
  result.source = std::make_unique<FrozenSource>(frozen_.documents);
  result.documents = frozen_.documents.size();
  result.meta.checkpoint_seq = last_seq_;
  result.meta.hlc_floor = hlc_floor_;
  result.meta.tombstones = base_tombstones_ + frozen_.tombstones;
  result.meta.version_vector = {version_vector_.entries().begin(), version_vector_.entries().end()};
  return result;
}

void DocumentTable::drop_frozen() {
  Generation dropped;  // Freed without the lock: it may hold a million documents.
  const base::MutexLock lock(mutex_);
  DB_CHECK(is_frozen_);  // INV-CORE-3
  is_frozen_ = false;
  base_tombstones_ += frozen_.tombstones;
  dropped = std::exchange(frozen_, Generation{});
}

void DocumentTable::thaw() {
  const base::MutexLock lock(mutex_);
  DB_CHECK(is_frozen_);
  is_frozen_ = false;
  active_.documents.merge(frozen_.documents);  // Keeps the newer one of two.
  active_.progress.operations += frozen_.progress.operations;
  active_.progress.bytes += frozen_.progress.bytes;
  frozen_ = Generation{};
  active_.bytes = 0;
  active_.tombstones = 0;
  for (const auto& [id, value] : active_.documents) {
    active_.bytes += entry_bytes(id, value);
    active_.tombstones += is_tombstone(value) ? 1U : 0U;
  }
}

TableStats DocumentTable::stats() const {
  const base::MutexLock lock(mutex_);
  return {.documents = active_.documents.size() + frozen_.documents.size(),
          .bytes = active_.bytes + frozen_.bytes,
          .tombstones = base_tombstones_ + active_.tombstones + frozen_.tombstones,
          .actors = version_vector_.size()};
}

std::uint64_t DocumentTable::bytes() const {
  const base::MutexLock lock(mutex_);
  return active_.bytes + frozen_.bytes;
}

Seq DocumentTable::last_seq() const {
  const base::MutexLock lock(mutex_);
  return last_seq_;
}

crdt::VersionVector DocumentTable::version_vector() const {
  const base::MutexLock lock(mutex_);
  return version_vector_;
}

Hlc DocumentTable::hlc_floor() const {
  const base::MutexLock lock(mutex_);
  return hlc_floor_;
}

DocumentTable::Progress DocumentTable::since_checkpoint() const {
  const base::MutexLock lock(mutex_);
  return active_.progress;
}

std::uint64_t DocumentTable::operations_total() const {
  const base::MutexLock lock(mutex_);
  return operations_total_;
}

}  // namespace pluresdb::core
