#include "faultinj/power_loss_journal.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/types.h>
#include <unistd.h>

#include "engine/base/bytes.h"
#include "engine/base/check.h"
#include "engine/base/crc32c.h"
#include "engine/base/mutex.h"
#include <pluresdb/error.h>

namespace faultinj {
namespace {

using pluresdb::ErrorCode;
using pluresdb::fail;
using pluresdb::Result;
using pluresdb::Status;
using pluresdb::base::ByteSpan;
using pluresdb::base::MutableByteSpan;

struct Superblock {
  std::uint64_t magic = 0;
  std::uint64_t generation = 0;
  std::uint64_t start = 0;
  std::uint64_t next_seq = 0;
  std::uint32_t version = 0;
  std::uint32_t crc = 0;
};
static_assert(sizeof(Superblock) == 40);

struct RecordHeader {
  std::uint32_t magic = 0;
  RecordType type = RecordType::kFile;
  std::uint64_t seq = 0;
  std::uint64_t file = 0;
  std::uint64_t offset = 0;
  std::uint64_t payload_bytes = 0;
  std::uint64_t position = 0;
  std::uint32_t reserved = 0;
  std::uint32_t crc = 0;
};
static_assert(sizeof(RecordHeader) == 56);

constexpr std::uint64_t kSuperblockMagic = 0x314A'4C50'4244'4C50ULL;
constexpr std::uint32_t kRecordMagic = 0x5243'4C50U;
constexpr std::uint32_t kVersion = 1;
constexpr std::uint64_t kSlotBytes = 64;
constexpr std::uint64_t kPageBytes = 4096;
constexpr std::uint64_t kCopyBytes = 1ULL << 20;
/// Compaction costs as much as the live bytes; it starts when at least as many are dead.
constexpr std::uint64_t kCompactDeadBytes = 16ULL << 20;

template <typename T>
std::uint32_t crc_of(const T& value) {
  static_assert(offsetof(T, crc) == sizeof(T) - sizeof(std::uint32_t));
  return pluresdb::base::crc32c(
      std::as_bytes(std::span(&value, 1)).first(sizeof(T) - sizeof(std::uint32_t)));
}

std::uint64_t record_bytes(const JournalRecord& record) {
  return pluresdb::base::align_up(sizeof(RecordHeader) + record.payload_bytes, 8);
}

std::unexpected<pluresdb::Error> journal_error(const char* operation) {
  return fail(ErrorCode::kIo, std::string(operation) + " power-loss journal", errno);
}

Status write_at(int descriptor, std::uint64_t position, ByteSpan bytes) {
  while (!bytes.empty()) {
    const ssize_t count =
        ::pwrite(descriptor, bytes.data(), bytes.size(), static_cast<off_t>(position));
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count <= 0) {
      return journal_error("write");
    }
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    position += static_cast<std::uint64_t>(count);
  }
  return {};
}

/// False at the end of the file.
Result<bool> read_at(int descriptor, std::uint64_t position, MutableByteSpan out) {
  while (!out.empty()) {
    const ssize_t count = ::pread(descriptor, out.data(), out.size(), static_cast<off_t>(position));
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return journal_error("read");
    }
    if (count == 0) {
      return false;
    }
    out = out.subspan(static_cast<std::size_t>(count));
    position += static_cast<std::uint64_t>(count);
  }
  return true;
}

template <typename T>
Result<bool> read_value(int descriptor, std::uint64_t position, T& value) {
  return read_at(descriptor, position, std::as_writable_bytes(std::span(&value, 1)));
}

Status write_superblock(int descriptor, std::uint64_t generation, std::uint64_t start,
                        std::uint64_t next_seq) {
  Superblock block{.magic = kSuperblockMagic,
                   .generation = generation,
                   .start = start,
                   .next_seq = next_seq,
                   .version = kVersion};
  block.crc = crc_of(block);
  return write_at(descriptor, (generation % 2) * kSlotBytes, std::as_bytes(std::span(&block, 1)));
}

Result<Superblock> read_superblock(int descriptor) {
  std::optional<Superblock> newest;
  for (std::uint64_t slot = 0; slot < 2; ++slot) {
    Superblock block;
    TRY_ASSIGN(const bool complete, read_value(descriptor, slot * kSlotBytes, block));
    if (complete && block.magic == kSuperblockMagic && block.version == kVersion &&
        block.crc == crc_of(block) && (!newest || block.generation > newest->generation)) {
      newest = block;
    }
  }
  if (!newest) {
    return fail(ErrorCode::kCorruption, "the descriptor holds no power-loss journal");
  }
  return *newest;
}

Status write_header(int descriptor, const JournalRecord& record) {
  RecordHeader header{.magic = kRecordMagic,
                      .type = record.type,
                      .seq = record.seq,
                      .file = record.file,
                      .offset = record.offset,
                      .payload_bytes = record.payload_bytes,
                      .position = record.position};
  header.crc = crc_of(header);
  return write_at(descriptor, record.position, std::as_bytes(std::span(&header, 1)));
}

/// The record at `position`; nothing where the log ends.
Result<std::optional<JournalRecord>> read_header(int descriptor, std::uint64_t position) {
  RecordHeader header;
  TRY_ASSIGN(const bool complete, read_value(descriptor, position, header));
  if (!complete || header.magic != kRecordMagic || header.position != position ||
      header.crc != crc_of(header)) {
    return std::optional<JournalRecord>();
  }
  return std::optional(JournalRecord{.seq = header.seq,
                                     .type = header.type,
                                     .file = header.file,
                                     .offset = header.offset,
                                     .payload_bytes = header.payload_bytes,
                                     .position = position});
}

/// Builds a JournalImage record by record.
class Replay {
 public:
  Replay(int descriptor, JournalImage& image) : descriptor_(descriptor), image_(image) {}

  Status add(const JournalRecord& record) {
    switch (record.type) {
      case RecordType::kRetireFile:
        retire_file(record);
        image_.dead_bytes += record_bytes(record);
        return {};
      case RecordType::kRetireRecords:
        image_.dead_bytes += record_bytes(record);
        return retire_records(record);
      case RecordType::kWrite:
      case RecordType::kTruncate:
      case RecordType::kAllocate:
        contents_[record.file].push_back(record.seq);
        break;
      case RecordType::kFile:
      case RecordType::kCreate:
      case RecordType::kMakeDirectory:
      case RecordType::kRename:
      case RecordType::kRemove:
      case RecordType::kRemoveDirectory:
        break;
    }
    image_.live.emplace(record.seq, record);
    image_.live_bytes += record_bytes(record);
    return {};
  }

 private:
  void forget(std::uint64_t seq) {
    const auto found = image_.live.find(seq);
    if (found != image_.live.end()) {
      image_.live_bytes -= record_bytes(found->second);
      image_.dead_bytes += record_bytes(found->second);
      image_.live.erase(found);
    }
  }

  void retire_file(const JournalRecord& record) {
    std::vector<std::uint64_t> later;
    for (const std::uint64_t seq : contents_[record.file]) {
      if (seq <= record.offset) {
        forget(seq);
      } else {
        later.push_back(seq);
      }
    }
    contents_[record.file] = std::move(later);
  }

  Status retire_records(const JournalRecord& record) {
    std::vector<std::uint64_t> seqs(record.payload_bytes / sizeof(std::uint64_t));
    TRY_ASSIGN(const bool complete, read_at(descriptor_, record.position + sizeof(RecordHeader),
                                            std::as_writable_bytes(std::span(seqs))));
    if (!complete) {
      return fail(ErrorCode::kCorruption, "power-loss journal: a record has no payload");
    }
    for (const std::uint64_t seq : seqs) {
      forget(seq);
    }
    return {};
  }

  int descriptor_;
  JournalImage& image_;
  std::unordered_map<std::uint64_t, std::vector<std::uint64_t>> contents_;
};

Result<JournalImage> read_journal_from(int descriptor, const Superblock& superblock) {
  JournalImage image;
  image.generation = superblock.generation;
  image.start = superblock.start;
  image.end = superblock.start;
  image.next_seq = superblock.next_seq;
  Replay replay(descriptor, image);
  std::uint64_t last_seq = 0;
  for (;;) {
    TRY_ASSIGN(const auto record, read_header(descriptor, image.end));
    // A seq that does not grow belongs to a compaction that did not finish.
    if (!record || record->seq <= last_seq) {
      break;
    }
    TRY(replay.add(*record));
    last_seq = record->seq;
    image.end += record_bytes(*record);
  }
  image.next_seq = std::max(image.next_seq, last_seq + 1);
  return image;
}

Status copy_bytes(int descriptor, std::uint64_t from, std::uint64_t to, std::uint64_t count,
                  std::vector<std::byte>& buffer) {
  while (count > 0) {
    const auto part = MutableByteSpan(buffer).first(std::min<std::uint64_t>(count, buffer.size()));
    TRY_ASSIGN(const bool complete, read_at(descriptor, from, part));
    if (!complete) {
      return fail(ErrorCode::kCorruption, "power-loss journal: a record has no payload");
    }
    TRY(write_at(descriptor, to, part));
    from += part.size();
    to += part.size();
    count -= part.size();
  }
  return {};
}

/// Offsets of the log never repeat; only the pages in front of it are given back.
Status free_pages_before(int descriptor, std::uint64_t start) {
  if (start > kPageBytes && ::fallocate(descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                        kPageBytes, static_cast<off_t>(start - kPageBytes)) != 0) {
    return journal_error("free pages of");
  }
  return {};
}

}  // namespace

bool is_content(RecordType type) {
  return type == RecordType::kWrite || type == RecordType::kTruncate ||
         type == RecordType::kAllocate;
}

bool is_directory_change(RecordType type) {
  return type >= RecordType::kCreate && type <= RecordType::kRemoveDirectory;
}

Status initialise_journal(int descriptor) { return write_superblock(descriptor, 1, kPageBytes, 1); }

Result<JournalImage> read_journal(int descriptor) {
  for (;;) {
    TRY_ASSIGN(const auto before, read_superblock(descriptor));
    TRY_ASSIGN(auto image, read_journal_from(descriptor, before));
    TRY_ASSIGN(const auto after, read_superblock(descriptor));
    // A living worker may have compacted and freed the pages that were just read.
    if (before.generation == after.generation) {
      return image;
    }
  }
}

Result<std::unique_ptr<Journal>> Journal::open(int descriptor) {
  TRY_ASSIGN(auto image, read_journal(descriptor));
  // What a killed append left behind the end must never be taken for a record.
  if (::ftruncate(descriptor, static_cast<off_t>(image.end)) != 0) {
    return journal_error("truncate");
  }
  TRY(free_pages_before(descriptor, image.start));
  return std::unique_ptr<Journal>(new Journal(descriptor, std::move(image)));
}

Journal::Journal(int descriptor, JournalImage image)
    : descriptor_(descriptor), image_(std::move(image)) {}

Result<JournalRecord> Journal::write_record(JournalRecord record, ByteSpan payload) {
  record.seq = image_.next_seq;
  record.position = image_.end;
  record.payload_bytes = payload.size();
  Status written = write_at(descriptor_, record.position + sizeof(RecordHeader), payload);
  if (written) {
    written = write_header(descriptor_, record);
  }
  if (!written) {
    if (::ftruncate(descriptor_, static_cast<off_t>(image_.end)) != 0) {
      return journal_error("truncate");
    }
    return std::unexpected(std::move(written).error());
  }
  image_.end += record_bytes(record);
  ++image_.next_seq;
  return record;
}

Result<const JournalRecord*> Journal::append(RecordType type, std::uint64_t file,
                                             std::uint64_t offset, ByteSpan payload) {
  const pluresdb::base::MutexLock lock(mutex_);
  TRY_ASSIGN(const auto record,
             write_record({.type = type, .file = file, .offset = offset}, payload));
  image_.live_bytes += record_bytes(record);
  const auto [place, inserted] = image_.live.emplace(record.seq, record);
  DB_CHECK(inserted);
  return &place->second;
}

Status Journal::read(const JournalRecord& record, std::uint64_t offset, MutableByteSpan out) {
  const pluresdb::base::MutexLock lock(mutex_);
  DB_CHECK(offset + out.size() <= record.payload_bytes);
  TRY_ASSIGN(const bool complete,
             read_at(descriptor_, record.position + sizeof(RecordHeader) + offset, out));
  if (!complete) {
    return fail(ErrorCode::kCorruption, "power-loss journal: a record has no payload");
  }
  return {};
}

void Journal::forget(std::span<const JournalRecord* const> records) {
  for (const JournalRecord* record : records) {
    image_.live_bytes -= record_bytes(*record);
    image_.dead_bytes += record_bytes(*record);
    const std::size_t erased = image_.live.erase(record->seq);
    DB_CHECK(erased == 1);
  }
}

Status Journal::retire_file(std::uint64_t file, std::span<const JournalRecord* const> records) {
  if (records.empty()) {
    return {};
  }
  const pluresdb::base::MutexLock lock(mutex_);
  TRY_ASSIGN(
      const auto record,
      write_record({.type = RecordType::kRetireFile, .file = file, .offset = records.back()->seq},
                   {}));
  image_.dead_bytes += record_bytes(record);
  forget(records);
  compact_when_worthwhile();
  return {};
}

Status Journal::retire(std::span<const JournalRecord* const> records) {
  if (records.empty()) {
    return {};
  }
  std::vector<std::uint64_t> seqs;
  seqs.reserve(records.size());
  for (const JournalRecord* record : records) {
    seqs.push_back(record->seq);
  }
  const pluresdb::base::MutexLock lock(mutex_);
  TRY_ASSIGN(const auto record,
             write_record({.type = RecordType::kRetireRecords}, std::as_bytes(std::span(seqs))));
  image_.dead_bytes += record_bytes(record);
  forget(records);
  compact_when_worthwhile();
  return {};
}

Status Journal::clear() {
  const pluresdb::base::MutexLock lock(mutex_);
  image_.live.clear();
  image_.live_bytes = 0;
  return compact();
}

void Journal::compact_when_worthwhile() {
  if (image_.dead_bytes >= kCompactDeadBytes && image_.dead_bytes >= image_.live_bytes) {
    // Only saves memory: without the memory for the copy the log stays as it is, and the next
    // retirement tries again.
    (void)compact();
  }
}

Status Journal::copy_live(std::uint64_t start, std::vector<std::uint64_t>& positions) {
  std::vector<std::byte> buffer(image_.live.empty() ? 0 : kCopyBytes);
  for (const auto& [seq, record] : image_.live) {
    JournalRecord copy = record;
    copy.position = start;
    TRY(copy_bytes(descriptor_, record.position + sizeof(RecordHeader),
                   start + sizeof(RecordHeader), record.payload_bytes, buffer));
    TRY(write_header(descriptor_, copy));
    positions.push_back(start);
    start += record_bytes(copy);
  }
  return {};
}

Status Journal::compact() {
  const std::uint64_t start = pluresdb::base::align_up(image_.end, kPageBytes);
  std::vector<std::uint64_t> positions;
  Status moved = copy_live(start, positions);
  if (moved) {
    moved = write_superblock(descriptor_, image_.generation + 1, start, image_.next_seq);
  }
  if (!moved) {
    if (::ftruncate(descriptor_, static_cast<off_t>(image_.end)) != 0) {
      return journal_error("truncate");
    }
    return moved;
  }
  std::uint64_t end = start;
  std::size_t index = 0;
  for (auto& [seq, record] : image_.live) {
    record.position = positions[index++];
    end = record.position + record_bytes(record);
  }
  ++image_.generation;
  image_.start = start;
  image_.end = end;
  image_.dead_bytes = 0;
  return free_pages_before(descriptor_, start);
}

std::vector<const JournalRecord*> Journal::live() {
  const pluresdb::base::MutexLock lock(mutex_);
  std::vector<const JournalRecord*> records;
  records.reserve(image_.live.size());
  for (const auto& [seq, record] : image_.live) {
    records.push_back(&record);
  }
  return records;
}

std::uint64_t Journal::last_seq() {
  const pluresdb::base::MutexLock lock(mutex_);
  return image_.next_seq - 1;
}

std::uint64_t Journal::log_bytes() {
  const pluresdb::base::MutexLock lock(mutex_);
  return image_.end - image_.start;
}

}  // namespace faultinj
