#include "faultinj/unsynced_index.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <limits>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/check.h"
#include "faultinj/power_loss_journal.h"

namespace faultinj {

void UnsyncedIndex::reset(std::uint64_t below_bytes) {
  extents_.clear();
  below_visible_bytes_ = below_bytes;
  size_bytes_ = below_bytes;
  allocated_bytes_ = 0;
}

void UnsyncedIndex::erase(std::uint64_t begin, std::uint64_t end) {
  auto place = extents_.lower_bound(begin);
  if (place != extents_.begin() && std::prev(place)->second.end > begin) {
    --place;
  }
  while (place != extents_.end() && place->first < end) {
    const std::uint64_t old_begin = place->first;
    const Extent old = place->second;
    place = extents_.erase(place);
    if (old_begin < begin) {
      extents_.emplace(
          old_begin,
          Extent{.end = begin, .record = old.record, .payload_offset = old.payload_offset});
    }
    if (old.end > end) {
      extents_.emplace(end, Extent{.end = old.end,
                                   .record = old.record,
                                   .payload_offset = old.payload_offset + (end - old_begin)});
    }
  }
}

void UnsyncedIndex::add(const JournalRecord& record) {
  DB_CHECK(is_content(record.type));
  if (record.type == RecordType::kWrite) {
    const std::uint64_t end = record.offset + record.payload_bytes;
    erase(record.offset, end);
    extents_.emplace(record.offset, Extent{.end = end, .record = &record, .payload_offset = 0});
    size_bytes_ = std::max(size_bytes_, end);
  } else if (record.type == RecordType::kTruncate) {
    erase(record.offset, std::numeric_limits<std::uint64_t>::max());
    below_visible_bytes_ = std::min(below_visible_bytes_, record.offset);
    size_bytes_ = record.offset;
    allocated_bytes_ = std::min(allocated_bytes_, record.offset);
  } else {
    size_bytes_ = std::max(size_bytes_, record.offset);
    allocated_bytes_ = std::max(allocated_bytes_, record.offset);
  }
}

std::uint64_t UnsyncedIndex::allocated_bytes(std::uint64_t below_allocated_bytes) const {
  std::uint64_t bytes = std::max(below_allocated_bytes, allocated_bytes_);
  for (const auto& [begin, extent] : extents_) {
    // A file system reserves space for a buffered write at once.
    bytes += extent.end - std::min(extent.end, std::max(begin, allocated_bytes_));
  }
  constexpr std::uint64_t kUnsyncedBlockBytes = 4096;
  return std::min(bytes, pluresdb::base::align_up(size_bytes_, kUnsyncedBlockBytes));
}

std::vector<UnsyncedIndex::Piece> UnsyncedIndex::resolve(std::uint64_t offset,
                                                         std::uint64_t length) const {
  std::vector<Piece> pieces;
  if (offset >= size_bytes_) {
    return pieces;
  }
  const std::uint64_t end = offset + std::min(length, size_bytes_ - offset);
  const auto fill = [&](std::uint64_t begin, std::uint64_t until) {
    const std::uint64_t middle = std::clamp(below_visible_bytes_, begin, until);
    if (begin < middle) {
      pieces.push_back({.offset = begin, .length = middle - begin, .below = true});
    }
    if (middle < until) {
      pieces.push_back({.offset = middle, .length = until - middle});
    }
  };
  auto place = extents_.upper_bound(offset);
  if (place != extents_.begin() && std::prev(place)->second.end > offset) {
    --place;
  }
  while (offset < end) {
    if (place == extents_.end() || place->first >= end) {
      fill(offset, end);
      break;
    }
    if (place->first > offset) {
      fill(offset, place->first);
      offset = place->first;
    }
    const std::uint64_t until = std::min(end, place->second.end);
    pieces.push_back({.offset = offset,
                      .length = until - offset,
                      .record = place->second.record,
                      .payload_offset = place->second.payload_offset + (offset - place->first)});
    offset = until;
    ++place;
  }
  return pieces;
}

}  // namespace faultinj
