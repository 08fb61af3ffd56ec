#include "engine/core/table_generation.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <limits>
#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/check.h"
#include "engine/store/base_store.h"
#include "engine/wal/log.h"

namespace pluresdb::core {
namespace {

/// Blocks double from the first size to the last one: a table with few documents stays small.
constexpr std::uint64_t kBlockBytesMin = 4ULL << 10;
constexpr std::uint64_t kBlockBytesMax = 1ULL << 20;
constexpr std::size_t kSlotsMin = 16;
/// Below this the dead records of a shard are not worth a copy of the live ones.
constexpr std::uint64_t kDeadBytesMin = 16ULL << 10;
/// See TableGeneration::put. In records.
constexpr std::size_t kFarAhead = 12;
constexpr std::size_t kAhead = 8;
constexpr std::size_t kNear = 4;

store::ValueKind kind_of(const wal::RecordView& record) {
  if (record.type == wal::OperationType::kDelete) {
    return store::ValueKind::kTombstone;
  }
  return record.value_in_log ? store::ValueKind::kInLog : store::ValueKind::kInline;
}

std::uint64_t content_bytes(const wal::RecordView& record) {
  const std::uint64_t value =
      kind_of(record) == store::ValueKind::kInline ? record.value.size() : 0;
  return base::align_up(record.id.size() + value, alignof(StoredDocument));
}

std::uint64_t total_bytes(const StoredDocument& document) {
  return sizeof(StoredDocument) + document.capacity;
}

bool is_tombstone(const StoredDocument& document) {
  return document.kind == store::ValueKind::kTombstone;
}

/// Everything but the capacity.
void fill(StoredDocument& document, const HashedRecord& hashed) {
  const wal::RecordView& record = *hashed.record;
  const store::ValueKind kind = kind_of(record);
  const std::uint64_t value_bytes =
      kind == store::ValueKind::kInline ? record.value.size() : record.value_bytes;
  DB_CHECK(value_bytes <= std::numeric_limits<std::uint32_t>::max());
  DB_CHECK(record.id.size() <= std::numeric_limits<std::uint16_t>::max());
  document.seq = record.seq;
  document.hlc = record.hlc;
  document.actor_seq = record.actor_seq;
  document.actor = hashed.actor;
  document.value_bytes =
      kind == store::ValueKind::kTombstone ? 0 : static_cast<std::uint32_t>(value_bytes);
  document.value_crc = kind == store::ValueKind::kInLog ? record.value_crc : 0;
  document.id_bytes = static_cast<std::uint16_t>(record.id.size());
  document.kind = kind;
  auto* text = reinterpret_cast<char*>(&document + 1);
  std::memcpy(text, record.id.data(), record.id.size());
  if (kind == store::ValueKind::kInline && !record.value.empty()) {
    std::memcpy(text + record.id.size(), record.value.data(), record.value.size());
  }
}

/// What sorting looks at: eight bytes of the id, from where all ids of a stretch still agree, as
/// the number that orders like them.
struct SortItem {
  std::uint64_t key = 0;
  const StoredDocument* document = nullptr;
  std::uint32_t place = 0;
};

std::uint64_t key_at(std::string_view id, std::size_t depth) {
  std::uint64_t key = 0;
  if (id.size() > depth) {
    std::memcpy(&key, id.data() + depth, std::min<std::size_t>(sizeof(key), id.size() - depth));
  }
  return std::byteswap(key);
}

bool by_id(const SortItem& left, const SortItem& right) {
  return left.document->id() < right.document->id();
}

/// The ids of `items` agree in their first `depth` bytes. One look at each id per eight bytes that
/// they have in common, instead of one per comparison.
void sort_items(std::span<SortItem> items, std::size_t depth) {
  constexpr std::size_t kFew = 16;
  struct Stretch {
    std::span<SortItem> items;
    std::size_t depth;
  };
  std::vector<Stretch> stretches{{.items = items, .depth = depth}};
  while (!stretches.empty()) {
    const Stretch stretch = stretches.back();
    stretches.pop_back();
    if (stretch.items.size() <= kFew) {
      std::ranges::sort(stretch.items, by_id);
      continue;
    }
    for (SortItem& item : stretch.items) {
      item.key = key_at(item.document->id(), stretch.depth);
    }
    const bool all_equal = std::ranges::all_of(
        stretch.items, [&](const SortItem& item) { return item.key == stretch.items[0].key; });
    if (!all_equal) {
      std::ranges::sort(stretch.items, {}, &SortItem::key);
    }
    const std::size_t next_depth = stretch.depth + sizeof(SortItem::key);
    for (auto at = stretch.items.begin(); at != stretch.items.end();) {
      const auto end = std::find_if(at, stretch.items.end(),
                                    [&](const SortItem& item) { return item.key != at->key; });
      // Ids that end within these bytes are prefixes of the others: the shorter is the lesser.
      const auto longer = std::partition(
          at, end, [&](const SortItem& item) { return item.document->id_bytes <= next_depth; });
      std::sort(at, longer, by_id);
      if (end - longer > 1) {
        stretches.push_back({.items = {longer, end}, .depth = next_depth});
      }
      at = end;
    }
  }
}

}  // namespace

void sort_by_id(std::vector<const StoredDocument*>& documents) {
  std::vector<SortItem> items;
  items.reserve(documents.size());
  for (const StoredDocument* const document : documents) {
    items.push_back({.document = document});
  }
  sort_items(items, 0);
  std::ranges::transform(items, documents.begin(), &SortItem::document);
}

std::uint64_t TableGeneration::bytes_of(const wal::RecordView& record) {
  return sizeof(StoredDocument) + content_bytes(record) + kIndexBytesPerDocument;
}

/// The slot of the document that `has_id`, or the free one where it belongs. There must be slots.
template <typename HasId>
std::size_t TableGeneration::slot_of(std::uint32_t tag, const HasId& has_id) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = tag & mask;
  while (slots_[at].place != 0 &&
         (slots_[at].tag != tag || !has_id(*documents_[slots_[at].place - 1]))) {
    at = (at + 1) & mask;
  }
  return at;
}

const StoredDocument* TableGeneration::find(std::uint32_t tag, std::string_view id) const {
  if (slots_.empty()) {
    return nullptr;
  }
  const Slot& slot =
      slots_[slot_of(tag, [id](const StoredDocument& document) { return document.id() == id; })];
  return slot.place == 0 ? nullptr : documents_[slot.place - 1];
}

/// For one more document.
void TableGeneration::make_room_in_index() {
  if ((documents_.size() + 1) * 4 <= slots_.size() * 3) {
    return;
  }
  std::vector<Slot> old(std::max(kSlotsMin, slots_.size() * 2));
  DB_CHECK(old.size() - 1 <= std::numeric_limits<std::uint32_t>::max());
  std::swap(slots_, old);
  const std::size_t mask = slots_.size() - 1;
  for (const Slot& slot : old) {
    if (slot.place == 0) {
      continue;
    }
    std::size_t at = slot.tag & mask;
    while (slots_[at].place != 0) {
      at = (at + 1) & mask;
    }
    slots_[at] = slot;
  }
}

StoredDocument* DocumentBlocks::allocate(std::uint64_t bytes) {
  if (block_bytes_ - block_used_ < bytes) {
    block_bytes_ = std::max(bytes, std::clamp(block_bytes_ * 2, kBlockBytesMin, kBlockBytesMax));
    blocks_.push_back(std::make_unique_for_overwrite<std::byte[]>(block_bytes_));
    block_used_ = 0;
  }
  auto* const document = new (blocks_.back().get() + block_used_) StoredDocument;
  document->capacity = static_cast<std::uint32_t>(bytes - sizeof(StoredDocument));
  block_used_ += bytes;
  stored_bytes_ += bytes;
  return document;
}

/// They go before the block that is being filled.
void DocumentBlocks::adopt(DocumentBlocks&& others) {
  if (blocks_.empty()) {
    *this = std::exchange(others, {});
    return;
  }
  blocks_.insert(blocks_.begin(), std::make_move_iterator(others.blocks_.begin()),
                 std::make_move_iterator(others.blocks_.end()));
  stored_bytes_ += others.stored_bytes_;
  others = {};
}

void CollectedDocuments::add(const HashedRecord& record) {
  const std::uint64_t content = content_bytes(*record.record);
  DB_CHECK(content <= std::numeric_limits<std::uint32_t>::max());
  StoredDocument* const document = blocks_.allocate(sizeof(StoredDocument) + content);
  fill(*document, record);
  items_.push_back({.document = document, .tag = record.tag, .tombstone = is_tombstone(*document)});
}

void TableGeneration::put_one(const HashedRecord& hashed) {
  const wal::RecordView& record = *hashed.record;
  make_room_in_index();
  const std::uint64_t content = content_bytes(record);
  DB_CHECK(content <= std::numeric_limits<std::uint32_t>::max());
  Slot& slot = slots_[slot_of(
      hashed.tag, [&](const StoredDocument& known) { return known.id() == record.id; })];
  StoredDocument* document = nullptr;
  if (slot.place == 0) {
    document = blocks_.allocate(sizeof(StoredDocument) + content);
    documents_.push_back(document);
    slot = {.tag = hashed.tag, .place = static_cast<std::uint32_t>(documents_.size())};
  } else {
    document = documents_[slot.place - 1];
    tombstones_ -= is_tombstone(*document) ? 1U : 0U;
    if (document->capacity < content) {
      dead_bytes_ += total_bytes(*document);
      document = blocks_.allocate(sizeof(StoredDocument) + content);
      documents_[slot.place - 1] = document;
    }
  }
  fill(*document, hashed);
  tombstones_ += is_tombstone(*document) ? 1U : 0U;
  compact_if_mostly_dead();
}

/// Fetches into the cache what put_one of records further ahead will look at: the index, and one
/// step further down the chain index -> list -> record each time they have come nearer. One
/// function, because the compiler drops calls of functions that do nothing but fetch.
void TableGeneration::put(std::span<const HashedRecord> records) {
  for (std::size_t i = 0; i < records.size(); ++i) {
    const std::size_t left = slots_.empty() ? 0 : records.size() - i;
    const std::size_t mask = slots_.size() - 1;
    if (left > kFarAhead) {
      __builtin_prefetch(&slots_[records[i + kFarAhead].tag & mask]);
    }
    if (left > kAhead) {
      const std::uint32_t tag = records[i + kAhead].tag;
      if (const Slot slot = slots_[tag & mask]; slot.tag == tag && slot.place != 0) {
        __builtin_prefetch(static_cast<const void*>(&documents_[slot.place - 1]));
      }
    }
    if (left > kNear) {
      const std::uint32_t tag = records[i + kNear].tag;
      if (const Slot slot = slots_[tag & mask]; slot.tag == tag && slot.place != 0) {
        __builtin_prefetch(documents_[slot.place - 1]);
      }
    }
    put_one(records[i]);
  }
}

void TableGeneration::take(CollectedDocuments&& records) {
  const std::span<const CollectedDocuments::Item> items = records.items_;
  for (std::size_t i = 0; i < items.size(); ++i) {
    make_room_in_index();
    const std::size_t mask = slots_.size() - 1;
    // See put(); a document is looked at only where two have the same tag.
    if (i + kFarAhead < items.size()) {
      __builtin_prefetch(&slots_[items[i + kFarAhead].tag & mask]);
    }
    const CollectedDocuments::Item& item = items[i];
    Slot& slot = slots_[slot_of(
        item.tag, [&](const StoredDocument& known) { return known.id() == item.document->id(); })];
    if (slot.place == 0) {
      documents_.push_back(item.document);
      slot = {.tag = item.tag, .place = static_cast<std::uint32_t>(documents_.size())};
    } else {
      StoredDocument*& document = documents_[slot.place - 1];
      tombstones_ -= is_tombstone(*document) ? 1U : 0U;
      dead_bytes_ += total_bytes(*document);
      document = item.document;
    }
    tombstones_ += item.tombstone ? 1U : 0U;
  }
  blocks_.adopt(std::move(records.blocks_));
  records = {};
  compact_if_mostly_dead();
}

/// Moves what lives into fresh blocks; costs no more than the writes that left so many dead.
void TableGeneration::compact_if_mostly_dead() {
  if (dead_bytes_ <= kDeadBytesMin || dead_bytes_ <= blocks_.stored_bytes() / 2) {
    return;
  }
  const auto old = std::exchange(blocks_, {});
  dead_bytes_ = 0;
  for (StoredDocument*& document : documents_) {
    const std::uint64_t bytes = total_bytes(*document);
    StoredDocument* const moved = blocks_.allocate(bytes);
    std::memcpy(static_cast<void*>(moved), document, bytes);
    document = moved;
  }
}

void TableGeneration::adopt(TableGeneration&& older) {
  if (documents_.empty()) {
    *this = std::exchange(older, {});
    return;
  }
  for (const Slot& slot : older.slots_) {
    if (slot.place == 0) {
      continue;
    }
    StoredDocument* const document = older.documents_[slot.place - 1];
    make_room_in_index();
    Slot& here = slots_[slot_of(
        slot.tag, [&](const StoredDocument& known) { return known.id() == document->id(); })];
    if (here.place != 0) {
      dead_bytes_ += total_bytes(*document);
      continue;
    }
    documents_.push_back(document);
    tombstones_ += is_tombstone(*document) ? 1U : 0U;
    here = {.tag = slot.tag, .place = static_cast<std::uint32_t>(documents_.size())};
  }
  blocks_.adopt(std::move(older.blocks_));
  dead_bytes_ += older.dead_bytes_;
  older = {};
  compact_if_mostly_dead();
}

const std::vector<TableGeneration::Run>& TableGeneration::ordered_runs() {
  if (ordered_ == documents_.size()) {
    return runs_;
  }
  std::vector<SortItem> items;
  items.reserve(documents_.size() - ordered_);
  for (std::size_t place = ordered_; place < documents_.size(); ++place) {
    items.push_back({.document = documents_[place], .place = static_cast<std::uint32_t>(place)});
  }
  sort_items(items, 0);
  Run& fresh = runs_.emplace_back(items.size());
  std::ranges::transform(items, fresh.begin(), &SortItem::place);
  ordered_ = documents_.size();
  const auto id_of = [this](std::uint32_t place) { return documents_[place]->id(); };
  // Each run is more than twice as long as the one behind it: few runs, few moves.
  while (runs_.size() > 1 && runs_[runs_.size() - 2].size() <= 2 * runs_.back().size()) {
    const Run last = std::move(runs_.back());
    runs_.pop_back();
    Run merged(last.size() + runs_.back().size());
    std::ranges::merge(runs_.back(), last, merged.begin(), {}, id_of, id_of);
    runs_.back() = std::move(merged);
  }
  return runs_;
}

}  // namespace pluresdb::core
