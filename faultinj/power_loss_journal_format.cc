#include "faultinj/power_loss_journal_format.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <sys/types.h>
#include <unistd.h>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "faultinj/power_loss_journal.h"
#include <pluresdb/error.h>

namespace faultinj {

using pluresdb::ErrorCode;
using pluresdb::fail;
using pluresdb::Result;
using pluresdb::Status;
using pluresdb::base::ByteSpan;
using pluresdb::base::MutableByteSpan;

namespace {

constexpr std::uint64_t kSuperblockMagic = 0x314A'4C50'4244'4C50ULL;
constexpr std::uint32_t kRecordMagic = 0x5243'4C50U;
constexpr std::uint32_t kVersion = 1;
constexpr std::uint64_t kSlotBytes = 64;
template <typename T>
std::uint32_t crc_of(const T& value) {
  static_assert(offsetof(T, crc) == sizeof(T) - sizeof(std::uint32_t));
  return pluresdb::base::crc32c(
      std::as_bytes(std::span(&value, 1)).first(sizeof(T) - sizeof(std::uint32_t)));
}

template <typename T>
Result<bool> read_value(int descriptor, std::uint64_t position, T& value) {
  return read_at(descriptor, position, std::as_writable_bytes(std::span(&value, 1)));
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
      case RecordType::kCommitFile:
        break;
      case RecordType::kCleanFile:
        TRY(retire_records(record));
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

}  // namespace

std::uint64_t record_bytes(const JournalRecord& record) {
  return pluresdb::base::align_up(sizeof(RecordHeader) + record.payload_bytes, 8);
}

RecordHeader make_header(const JournalRecord& record) {
  RecordHeader header{.magic = kRecordMagic,
                      .type = record.type,
                      .seq = record.seq,
                      .file = record.file,
                      .offset = record.offset,
                      .payload_bytes = record.payload_bytes,
                      .position = record.position};
  header.crc = crc_of(header);
  return header;
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

Result<std::size_t> read_up_to(int descriptor, std::uint64_t position, MutableByteSpan out) {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t count = ::pread(descriptor, out.data() + done, out.size() - done,
                                  static_cast<off_t>(position + done));
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return journal_error("read");
    }
    if (count == 0) {
      break;
    }
    done += static_cast<std::size_t>(count);
  }
  return done;
}

Result<bool> read_at(int descriptor, std::uint64_t position, MutableByteSpan out) {
  TRY_ASSIGN(const std::size_t count, read_up_to(descriptor, position, out));
  return count == out.size();
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

Status write_header(int descriptor, const JournalRecord& record) {
  const RecordHeader header = make_header(record);
  return write_at(descriptor, record.position, std::as_bytes(std::span(&header, 1)));
}

bool is_content(RecordType type) {
  return type == RecordType::kWrite || type == RecordType::kTruncate ||
         type == RecordType::kAllocate;
}

bool is_directory_change(RecordType type) {
  return type >= RecordType::kCreate && type <= RecordType::kRemoveDirectory;
}

Status initialise_journal(int descriptor) {
  return write_superblock(descriptor, 1, kJournalPageBytes, 1);
}

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

}  // namespace faultinj
