// The bytes of a journal (power_loss_journal.h says what they mean), and how they are read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>

#include "engine/base/bytes.h"
#include "faultinj/power_loss_journal.h"
#include <pluresdb/error.h>

namespace faultinj {

struct Superblock {
  std::uint64_t magic = 0;
  std::uint64_t generation = 0;  ///< The newer of the two valid ones counts.
  std::uint64_t start = 0;       ///< Of the log.
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
  std::uint64_t position = 0;  ///< Of this header.
  std::uint32_t reserved = 0;
  std::uint32_t crc = 0;
};
static_assert(sizeof(RecordHeader) == 56);

inline constexpr std::uint64_t kJournalPageBytes = 4096;
inline constexpr std::uint64_t kRecordPaddingBytesMax = 7;

/// Header, payload and padding.
std::uint64_t record_bytes(const JournalRecord& record);
RecordHeader make_header(const JournalRecord& record);

/// kIo with errno.
std::unexpected<pluresdb::Error> journal_error(const char* operation);
pluresdb::Status write_at(int descriptor, std::uint64_t position, pluresdb::base::ByteSpan bytes);
/// Fewer bytes than asked for at the end of the file.
pluresdb::Result<std::size_t> read_up_to(int descriptor, std::uint64_t position,
                                         pluresdb::base::MutableByteSpan out);
/// False at the end of the file.
pluresdb::Result<bool> read_at(int descriptor, std::uint64_t position,
                               pluresdb::base::MutableByteSpan out);

pluresdb::Status write_superblock(int descriptor, std::uint64_t generation, std::uint64_t start,
                                  std::uint64_t next_seq);
pluresdb::Status write_header(int descriptor, const JournalRecord& record);

}  // namespace faultinj
