#include "faultinj/power_loss_journal.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/types.h>
#include <unistd.h>

#include "engine/base/bytes.h"
#include "engine/base/check.h"
#include "engine/base/mutex.h"
#include "faultinj/power_loss_journal_format.h"
#include <pluresdb/error.h>

namespace faultinj {
namespace {

using pluresdb::ErrorCode;
using pluresdb::fail;
using pluresdb::Result;
using pluresdb::Status;
using pluresdb::base::ByteSpan;
using pluresdb::base::MutableByteSpan;

constexpr std::uint64_t kCopyBytes = 1ULL << 20;
/// Compaction costs as much as the live bytes; it starts when at least as many are dead.
constexpr std::uint64_t kCompactDeadBytes = 32ULL << 20;

/// Offsets of the log never repeat; only the pages in front of it are given back.
Status free_pages_before(int descriptor, std::uint64_t start) {
  if (start > kJournalPageBytes &&
      ::fallocate(descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, kJournalPageBytes,
                  static_cast<off_t>(start - kJournalPageBytes)) != 0) {
    return journal_error("free pages of");
  }
  return {};
}

std::vector<std::uint64_t> seqs_of(std::span<const JournalRecord* const> records) {
  std::vector<std::uint64_t> seqs;
  seqs.reserve(records.size());
  for (const JournalRecord* record : records) {
    seqs.push_back(record->seq);
  }
  return seqs;
}

}  // namespace

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
  const std::vector<std::uint64_t> seqs = seqs_of(records);
  const pluresdb::base::MutexLock lock(mutex_);
  TRY_ASSIGN(const auto record,
             write_record({.type = RecordType::kRetireRecords}, std::as_bytes(std::span(seqs))));
  image_.dead_bytes += record_bytes(record);
  forget(records);
  compact_when_worthwhile();
  return {};
}

Result<const JournalRecord*> Journal::mark_clean(std::uint64_t file, std::uint64_t seq,
                                                 std::span<const JournalRecord* const> replaced) {
  const std::vector<std::uint64_t> seqs = seqs_of(replaced);
  const pluresdb::base::MutexLock lock(mutex_);
  TRY_ASSIGN(const auto record,
             write_record({.type = RecordType::kCleanFile, .file = file, .offset = seq},
                          std::as_bytes(std::span(seqs))));
  image_.live_bytes += record_bytes(record);
  const auto [place, inserted] = image_.live.emplace(record.seq, record);
  DB_CHECK(inserted);
  forget(replaced);
  compact_when_worthwhile();
  return &place->second;
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
  std::vector<std::byte> buffer;
  for (auto next = image_.live.cbegin(); next != image_.live.cend();) {
    // Neighbours stay neighbours, so a run of them is read and written in one piece.
    const auto first = next;
    const std::uint64_t from = first->second.position;
    std::uint64_t run_bytes = 0;
    do {
      run_bytes += record_bytes(next->second);
      ++next;
    } while (next != image_.live.cend() && next->second.position == from + run_bytes &&
             run_bytes + record_bytes(next->second) <= kCopyBytes);
    buffer.resize(run_bytes);
    // The padding of the newest record may lie behind the end of the file.
    std::ranges::fill(buffer, std::byte{0});
    TRY_ASSIGN(const std::size_t count, read_up_to(descriptor_, from, buffer));
    if (count + kRecordPaddingBytesMax < run_bytes) {
      return fail(ErrorCode::kCorruption, "power-loss journal: a record has no payload");
    }
    for (auto record = first; record != next; ++record) {
      JournalRecord copy = record->second;
      copy.position = start + (record->second.position - from);
      pluresdb::base::store(MutableByteSpan(buffer), copy.position - start, make_header(copy));
      positions.push_back(copy.position);
    }
    TRY(write_at(descriptor_, start, buffer));
    start += run_bytes;
  }
  return {};
}

Status Journal::compact() {
  const std::uint64_t start = pluresdb::base::align_up(image_.end, kJournalPageBytes);
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
