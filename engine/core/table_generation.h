// One shard of one generation of the document table: documents by id, in as little memory as they
// need.
//
// Records lie in blocks, one behind the other; a hash index of 8 bytes per place leads to them.
// Order is not kept: whoever asks for it sorts what came since somebody last asked. A record that
// is overwritten by a longer one stays in its block, dead, until the dead ones are the majority.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "engine/store/base_store.h"
#include "engine/wal/log.h"
#include <pluresdb/document.h>

namespace pluresdb::core {

/// Stands in a block; id and JSON follow at once.
struct StoredDocument {
  Seq seq = 0;
  Hlc hlc = 0;
  std::uint64_t actor_seq = 0;
  std::uint32_t actor = 0;        ///< ActorNames.
  std::uint32_t value_bytes = 0;  ///< kInline: of the JSON here. kInLog: of the JSON in the log.
  std::uint32_t value_crc = 0;    ///< kInLog.
  std::uint32_t capacity = 0;     ///< Bytes behind this header that belong to it.
  std::uint16_t id_bytes = 0;
  store::ValueKind kind = store::ValueKind::kInline;

  [[nodiscard]] std::string_view id() const { return {text(), id_bytes}; }
  [[nodiscard]] std::string_view json() const {
    return {text() + id_bytes, kind == store::ValueKind::kInline ? value_bytes : 0};
  }

 private:
  [[nodiscard]] const char* text() const { return reinterpret_cast<const char*>(this + 1); }
};
static_assert(sizeof(StoredDocument) == 48);

/// A record on its way into a shard.
struct HashedRecord {
  const wal::RecordView* record = nullptr;  ///< Put or Delete.
  std::uint32_t tag = 0;                    ///< Of the id's hash.
  std::uint32_t actor = 0;                  ///< ActorNames.
};

/// Sorts by id.
void sort_by_id(std::vector<const StoredDocument*>& documents);

/// Where records lie, one behind the other.
class DocumentBlocks {
 public:
  /// Room for a record of so many bytes, header included.
  StoredDocument* allocate(std::uint64_t bytes);
  /// Takes the blocks of `others`, whose records stay where they are.
  void adopt(DocumentBlocks&& others);
  /// Of all records.
  [[nodiscard]] std::uint64_t stored_bytes() const { return stored_bytes_; }

 private:
  std::vector<std::unique_ptr<std::byte[]>> blocks_;
  std::uint64_t block_bytes_ = 0;  // Of the last one.
  std::uint64_t block_used_ = 0;
  std::uint64_t stored_bytes_ = 0;
};

/// Copies of records that belong to one shard but are in no generation yet: in their order, so an
/// id may be there more than once.
class CollectedDocuments {
 public:
  void add(const HashedRecord& record);

 private:
  friend class TableGeneration;
  struct Item {
    StoredDocument* document = nullptr;
    std::uint32_t tag = 0;
    bool tombstone = false;  // Whoever indexes it need not look at the document.
  };
  DocumentBlocks blocks_;
  std::vector<Item> items_;
};

/// Thread: one at a time; the const functions at the same time, but not with others.
class TableGeneration {
 public:
  /// Takes the records in this order: of two for one id the later one stays.
  void put(std::span<const HashedRecord> records);
  /// As put() of the same records, which are not copied again.
  void take(CollectedDocuments&& records);
  /// Null: no such id. Valid until the next put.
  [[nodiscard]] const StoredDocument* find(std::uint32_t tag, std::string_view id) const;
  /// Takes what `older` has and this one has not.
  void adopt(TableGeneration&& older);

  [[nodiscard]] std::size_t documents() const { return documents_.size(); }
  [[nodiscard]] std::uint64_t tombstones() const { return tombstones_; }
  /// Dead records included.
  [[nodiscard]] std::uint64_t bytes() const {
    return blocks_.stored_bytes() + documents_.size() * kIndexBytesPerDocument;
  }
  /// What one record adds to bytes() at most.
  static std::uint64_t bytes_of(const wal::RecordView& record);
  /// All documents, in no order.
  [[nodiscard]] std::span<StoredDocument* const> all() const { return documents_; }

  /// A stretch of documents() with ascending ids, as their places in all().
  using Run = std::vector<std::uint32_t>;
  /// Every document is in exactly one of them. Sorts what was put since the last call: `const`
  /// functions must not run meanwhile.
  const std::vector<Run>& ordered_runs();

 private:
  // Index, list and sorted runs: at most so much, whatever their growth by doubling leaves unused.
  static constexpr std::uint64_t kIndexBytesPerDocument = 48;
  struct Slot {
    std::uint32_t tag = 0;
    std::uint32_t place = 0;  // In documents_, plus 1; 0: free.
  };
  void put_one(const HashedRecord& hashed);
  template <typename HasId>
  [[nodiscard]] std::size_t slot_of(std::uint32_t tag, const HasId& has_id) const;
  void make_room_in_index();
  void compact_if_mostly_dead();

  DocumentBlocks blocks_;
  std::uint64_t dead_bytes_ = 0;  // Of the records in the blocks that were overwritten.
  std::uint64_t tombstones_ = 0;
  std::vector<StoredDocument*> documents_;  // In the order of their first put.
  std::vector<Slot> slots_;                 // Open addressing; a power of two, or empty.
  std::vector<Run> runs_;                   // Of the first ordered_ documents.
  std::size_t ordered_ = 0;
};

}  // namespace pluresdb::core
