// What a file looks like when its unsynced changes are laid over the file below.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "faultinj/power_loss_journal.h"

namespace faultinj {

/// Not thread-safe.
class UnsyncedIndex {
 public:
  /// A stretch of a read. With a record: its payload from payload_offset on. Else the file below,
  /// or zeros.
  struct Piece {
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
    const JournalRecord* record = nullptr;
    std::uint64_t payload_offset = 0;
    bool below = false;
  };

  /// No unsynced changes over a file of `below_bytes`.
  void reset(std::uint64_t below_bytes);
  /// Content records, in order.
  void add(const JournalRecord& record);

  [[nodiscard]] std::uint64_t size_bytes() const { return size_bytes_; }
  /// Allocated bytes, if below `below_allocated_bytes` are.
  [[nodiscard]] std::uint64_t allocated_bytes(std::uint64_t below_allocated_bytes) const;
  /// Pieces of [offset, offset + length), cut at the end of the file, in order.
  [[nodiscard]] std::vector<Piece> resolve(std::uint64_t offset, std::uint64_t length) const;

 private:
  struct Extent {
    std::uint64_t end = 0;
    const JournalRecord* record = nullptr;
    std::uint64_t payload_offset = 0;
  };
  /// Cuts a hole [begin, end) into the extents.
  void erase(std::uint64_t begin, std::uint64_t end);

  std::map<std::uint64_t, Extent> extents_;  ///< By begin; they do not overlap.
  std::uint64_t below_visible_bytes_ = 0;    ///< Of the file below; a truncation hides the rest.
  std::uint64_t size_bytes_ = 0;
  std::uint64_t allocated_bytes_ = 0;  ///< By kAllocate.
};

}  // namespace faultinj
