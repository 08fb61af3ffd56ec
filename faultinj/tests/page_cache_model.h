// What a file under a page cache is, byte by byte: what is read, what is on the disk, and which
// bytes are only in memory, dirty or marked clean by a sync that failed. A page is written as a
// whole.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace faultinj {

class CachedFile {
 public:
  std::string live, durable;

  void write(std::uint64_t offset, std::uint64_t length, char fill) {
    grow(offset + length);
    make_dirty_again(offset, offset + length);
    std::fill_n(live.begin() + static_cast<std::ptrdiff_t>(offset), length, fill);
    std::fill_n(bytes_.begin() + static_cast<std::ptrdiff_t>(offset), length, Byte::kDirty);
  }
  void truncate(std::uint64_t size_bytes) {
    live.resize(size_bytes);
    bytes_.resize(size_bytes, Byte::kOnDisk);
    make_dirty_again(size_bytes, size_bytes + 1);
    sizes_.push_back({.bytes = size_bytes, .cuts = true});
  }
  void allocate(std::uint64_t size_bytes) {
    grow(size_bytes);
    sizes_.push_back({.bytes = size_bytes, .cuts = false});
  }

  /// On the disk after a sync now.
  [[nodiscard]] std::string after_sync() const {
    std::string disk = durable;
    for (const Size& size : sizes_) {
      disk.resize(size.cuts ? size.bytes : std::max<std::size_t>(disk.size(), size.bytes));
    }
    for (std::size_t index = 0; index < live.size(); ++index) {
      if (bytes_[index] == Byte::kDirty) {
        disk.resize(std::max(disk.size(), index + 1));
        disk[index] = live[index];
      }
    }
    return disk;
  }
  void sync() {
    durable = after_sync();
    sizes_.clear();
    std::ranges::replace(bytes_, Byte::kDirty, Byte::kOnDisk);
  }
  /// A sync failed. Sizes belong to the file system and stay to be written.
  void mark_clean() { std::ranges::replace(bytes_, Byte::kDirty, Byte::kClean); }
  void revert() {
    live = durable;
    sizes_.clear();
    bytes_.assign(live.size(), Byte::kOnDisk);
  }
  [[nodiscard]] bool has_clean() const {
    return std::ranges::find(bytes_, Byte::kClean) != bytes_.end();
  }

 private:
  enum class Byte { kOnDisk, kDirty, kClean };
  struct Size {
    std::uint64_t bytes = 0;
    bool cuts = false;
  };
  static constexpr std::uint64_t kPage = 4096;

  void grow(std::uint64_t size_bytes) {
    live.resize(std::max<std::size_t>(live.size(), size_bytes));
    bytes_.resize(live.size(), Byte::kOnDisk);
  }
  /// All pages that [begin, end) touches.
  void make_dirty_again(std::uint64_t begin, std::uint64_t end) {
    const std::size_t last =
        std::min<std::size_t>(bytes_.size(), (end + kPage - 1) / kPage * kPage);
    for (std::size_t index = begin / kPage * kPage; index < last; ++index) {
      bytes_[index] = bytes_[index] == Byte::kClean ? Byte::kDirty : bytes_[index];
    }
  }

  std::vector<Byte> bytes_;  ///< Of `live`.
  std::vector<Size> sizes_;  ///< Since the last sync, in order.
};

}  // namespace faultinj
