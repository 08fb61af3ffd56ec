#include "faultinj/buffered_file.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/mutex.h"
#include "engine/io/file_system.h"
#include "faultinj/power_loss_journal.h"
#include "faultinj/unsynced_index.h"
#include <pluresdb/error.h>

namespace faultinj {

using pluresdb::Result;
using pluresdb::Status;
using pluresdb::base::ByteSpan;
using pluresdb::base::MutableByteSpan;
using pluresdb::base::MutexLock;
using pluresdb::io::File;
using pluresdb::io::FileInfo;

Status apply_record(Journal& journal, const JournalRecord& record, File& target) {
  if (record.type == RecordType::kTruncate) {
    return target.truncate(record.offset);
  }
  if (record.type == RecordType::kAllocate) {
    return target.allocate(record.offset);
  }
  constexpr std::uint64_t kPieceBytes = 1ULL << 20;
  std::vector<std::byte> buffer(std::min(record.payload_bytes, kPieceBytes));
  for (std::uint64_t done = 0; done < record.payload_bytes; done += buffer.size()) {
    buffer.resize(std::min(record.payload_bytes - done, kPieceBytes));
    TRY(journal.read(record, done, buffer));
    TRY(target.write(record.offset + done, buffer));
  }
  return {};
}

namespace {

/// Whether `later` touches the page of the write `clean`. A truncation zeroes the rest of the page
/// that it cuts, and takes away those behind it.
bool hits_page_of(const JournalRecord& clean, const JournalRecord& later) {
  const std::uint64_t page_begin = clean.offset / kPageBytes * kPageBytes;
  if (later.offset >= page_begin + kPageBytes) {
    return false;
  }
  return later.type == RecordType::kTruncate ||
         (later.type == RecordType::kWrite && page_begin < later.offset + later.payload_bytes);
}

}  // namespace

std::vector<const JournalRecord*> dirty_records(std::span<const JournalRecord* const> contents,
                                                std::uint64_t clean_seq) {
  if (clean_seq == 0) {
    return {contents.begin(), contents.end()};
  }
  std::vector<const JournalRecord*> dirty;
  for (std::size_t i = contents.size(); i > 0; --i) {  // The latest first.
    const JournalRecord* record = contents[i - 1];
    const bool clean = record->type == RecordType::kWrite && record->seq <= clean_seq;
    if (!clean || std::ranges::any_of(dirty, [&](const JournalRecord* later) {
          return hits_page_of(*record, *later);
        })) {
      dirty.push_back(record);
    }
  }
  std::ranges::reverse(dirty);
  return dirty;
}

BufferedFile::BufferedFile(Journal& journal, std::uint64_t id,
                           std::vector<const JournalRecord*> contents, std::uint64_t below_bytes)
    : journal_(journal), id_(id), contents_(std::move(contents)) {
  const MutexLock lock(mutex_);
  index_again(below_bytes);
}

void BufferedFile::index_again(std::uint64_t below_bytes) {
  index_.reset(below_bytes);
  for (const JournalRecord* record : contents_) {
    index_.add(*record);
  }
}

void BufferedFile::inherit_clean(std::vector<const JournalRecord*> records,
                                 std::uint64_t clean_seq) {
  const MutexLock lock(mutex_);
  clean_records_ = std::move(records);
  clean_seq_ = clean_seq;
}

Result<std::size_t> BufferedFile::read(File& below, std::uint64_t offset, MutableByteSpan out) {
  {
    // Held while reading: a sync that ends in between would retire the records.
    const MutexLock lock(mutex_);
    if (!contents_.empty()) {
      std::size_t total = 0;
      for (const auto& piece : index_.resolve(offset, out.size())) {
        const auto part = out.subspan(piece.offset - offset, piece.length);
        std::size_t count = 0;
        if (piece.record != nullptr) {
          TRY(journal_.read(*piece.record, piece.payload_offset, part));
          count = part.size();
        } else if (piece.below) {
          TRY_ASSIGN(count, below.read(piece.offset, part));
        }
        std::ranges::fill(part.subspan(count), std::byte{0});
        total += piece.length;
      }
      return total;
    }
  }
  return below.read(offset, out);
}

Status BufferedFile::append(RecordType type, std::uint64_t offset, ByteSpan payload) {
  const MutexLock lock(mutex_);
  TRY_ASSIGN(const JournalRecord* record, journal_.append(type, id_, offset, payload));
  contents_.push_back(record);
  index_.add(*record);
  return {};
}

Status BufferedFile::write(std::uint64_t offset, ByteSpan data) {
  return data.empty() ? Status{} : append(RecordType::kWrite, offset, data);
}

Status BufferedFile::truncate(std::uint64_t size_bytes) {
  return append(RecordType::kTruncate, size_bytes, {});
}

Status BufferedFile::allocate(std::uint64_t size_bytes) {
  return size_bytes == 0 ? Status{} : append(RecordType::kAllocate, size_bytes, {});
}

Result<std::uint64_t> BufferedFile::size(File& below) {
  const MutexLock lock(mutex_);
  if (!contents_.empty()) {
    return index_.size_bytes();
  }
  return below.size();
}

Status BufferedFile::sync(File& writable, bool all) {
  const MutexLock sync_lock(sync_mutex_);  // Over the sync below: see the class comment.
  std::vector<const JournalRecord*> moved;
  {
    const MutexLock lock(mutex_);
    moved = dirty_records(contents_, clean_seq_);
  }
  // The disk's time comes first, and what it writes is what the sync before moved below: a kill
  // while the disk works must find nothing of this sync below, or a power loss could not take it
  // away. The commit is the instant at which all of it is durable.
  TRY(all ? writable.sync_all() : writable.sync_data());
  if (moved.empty()) {
    return {};
  }
  TRY_ASSIGN(const JournalRecord* commit,
             journal_.append(RecordType::kCommitFile, id_, moved.back()->seq, {}));
  for (const JournalRecord* record : moved) {
    if (Status applied = apply_record(journal_, *record, writable); !applied) {
      TRY(journal_.retire({&commit, 1}));
      return applied;
    }
  }
  const MutexLock lock(mutex_);
  TRY_ASSIGN(const std::uint64_t below_bytes, writable.size());
  TRY(take_out(moved, below_bytes));
  return journal_.retire({&commit, 1});
}

Status BufferedFile::take_out(const std::vector<const JournalRecord*>& moved,
                              std::uint64_t below_bytes) {
  const auto rest = contents_.begin() + static_cast<std::ptrdiff_t>(moved.size());
  if (std::equal(moved.begin(), moved.end(), contents_.begin(), rest)) {
    TRY(journal_.retire_file(id_, moved));
    contents_.erase(contents_.begin(), rest);
  } else {  // Clean writes stay between them.
    const std::set<const JournalRecord*> gone(moved.begin(), moved.end());
    std::erase_if(contents_, [&](const JournalRecord* record) { return gone.contains(record); });
    TRY(journal_.retire(moved));
  }
  if (contents_.empty()) {
    TRY(journal_.retire(clean_records_));
    clean_records_.clear();
    clean_seq_ = 0;
  }
  index_again(below_bytes);
  return {};
}

Status BufferedFile::mark_clean(std::uint64_t below_bytes) {
  std::vector<const JournalRecord*> pages;
  std::vector<std::byte> buffer;
  for (const auto& piece : index_.resolve(0, index_.size_bytes())) {
    for (std::uint64_t done = 0; piece.record != nullptr && done < piece.length;) {
      const std::uint64_t offset = piece.offset + done;
      buffer.resize(std::min(kPageBytes - offset % kPageBytes, piece.length - done));
      TRY(journal_.read(*piece.record, piece.payload_offset + done, buffer));
      TRY_ASSIGN(const JournalRecord* page,
                 journal_.append(RecordType::kWrite, id_, offset, buffer));
      pages.push_back(page);
      done += buffer.size();
    }
  }
  // Until here a kill leaves the same bytes twice. Sizes are not clean: they come first, since what
  // the pages hold is what is left of all writes.
  std::vector<const JournalRecord*> replaced;
  std::vector<const JournalRecord*> rest;
  for (const JournalRecord* record : contents_) {
    (record->type == RecordType::kWrite ? replaced : rest).push_back(record);
  }
  if (replaced.empty()) {
    return {};
  }
  const std::uint64_t last = pages.empty() ? clean_seq_ : pages.back()->seq;
  TRY_ASSIGN(const JournalRecord* record, journal_.mark_clean(id_, last, replaced));
  clean_records_.push_back(record);
  clean_seq_ = last;
  rest.insert(rest.end(), pages.begin(), pages.end());
  contents_ = std::move(rest);
  index_again(below_bytes);
  return {};
}

Status BufferedFile::fail_sync(SyncFailure failure, File& below) {
  const MutexLock sync_lock(sync_mutex_);
  const MutexLock lock(mutex_);
  TRY_ASSIGN(const std::uint64_t below_bytes, below.size());
  if (failure == SyncFailure::kReverted) {
    TRY(forget_locked());
    index_again(below_bytes);
  } else if (!contents_.empty()) {
    TRY(mark_clean(below_bytes));
  }
  ++sync_errors_;
  return {};
}

Status BufferedFile::report_sync_errors(std::atomic<std::uint64_t>& seen) const {
  const std::uint64_t errors = sync_errors();
  return seen.exchange(errors) == errors
             ? Status{}
             : pluresdb::fail(pluresdb::ErrorCode::kIo, "a sync of the file failed", EIO);
}

bool BufferedFile::has_unsynced() {
  const MutexLock lock(mutex_);
  return !contents_.empty();
}

void BufferedFile::adjust(FileInfo& info) {
  const MutexLock lock(mutex_);
  if (!contents_.empty()) {
    info.size_bytes = index_.size_bytes();
    info.allocated_bytes = index_.allocated_bytes(info.allocated_bytes);
  }
}

Status BufferedFile::forget() {
  const MutexLock lock(mutex_);
  return forget_locked();
}

Status BufferedFile::forget_locked() {
  TRY(journal_.retire_file(id_, contents_));
  contents_.clear();
  TRY(journal_.retire(clean_records_));
  clean_records_.clear();
  clean_seq_ = 0;
  return {};
}

}  // namespace faultinj
