// See segment_writer.h. The order of syncs is the point of this file: docs/formats/wal.md "Order".
#include "engine/wal/segment_writer.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/check.h"
#include "engine/crypto/chunk_sealer.h"
#include "engine/crypto/file_key.h"
#include "engine/io/file_system.h"
#include "engine/wal/frame_seal.h"
#include "engine/wal/group_builder.h"
#include "engine/wal/segment_format.h"
#include <pluresdb/error.h>
#include <pluresdb/stats.h>

namespace pluresdb::wal {
namespace {

/// What one more group may add to the footer.
std::uint64_t footer_growth(std::uint64_t values, FrameLayout layout) {
  const std::uint64_t bytes =
      sizeof(SeqRange) + sizeof(GroupLocation) + values * sizeof(ValueLocation);
  return bytes + (bytes / kFooterPieceBytes + 1) * layout.tag_bytes();
}
static_assert(sizeof(SeqRange) == 16 && sizeof(GroupLocation) == 16 && sizeof(ValueLocation) == 24);

}  // namespace

std::uint64_t random_salt() {
  std::random_device device;
  constexpr int kHalfBits = 32;
  return (static_cast<std::uint64_t>(device()) << kHalfBits) | device();
}

SegmentWriter::SegmentWriter(io::FileSystem& files, std::unique_ptr<io::File> file,
                             const Preparation& preparation)
    : files_(files),
      file_(std::move(file)),
      path_(preparation.temporary_path),
      id_(preparation.id),
      keys_(preparation.keys),
      layout_(preparation.keys != nullptr),
      access_{.salt = preparation.salt} {}

Result<std::unique_ptr<SegmentWriter>> SegmentWriter::prepare(io::FileSystem& files,
                                                              const Preparation& preparation) {
  TRY_ASSIGN(std::unique_ptr<io::File> file,
             files.open(preparation.temporary_path, io::OpenMode::kCreateNew));
  std::unique_ptr<SegmentWriter> writer(new SegmentWriter(files, std::move(file), preparation));
  Status prepared = writer->make_key();
  if (prepared) {
    prepared = writer->grow(preparation.capacity_bytes);
  }
  if (!prepared) {
    writer->abandon();
    return std::unexpected(std::move(prepared).error());
  }
  return writer;
}

/// Also before its header is known, groups can be sealed with it.
Status SegmentWriter::make_key() {
  if (keys_ == nullptr) {
    return {};
  }
  TRY_ASSIGN(file_key_, crypto::make_file_key());
  TRY_ASSIGN(auto opener, crypto::ChunkOpener::create(file_key_));
  access_.opener = std::make_shared<const crypto::ChunkOpener>(std::move(opener));
  TRY_ASSIGN(auto sealer, crypto::ChunkSealer::create(file_key_));
  sealer_.emplace(std::move(sealer));
  return {};
}

Status SegmentWriter::grow(std::uint64_t capacity_bytes) {
  if (capacity_bytes <= capacity_bytes_) {
    return {};
  }
  TRY(file_->allocate(capacity_bytes));
  capacity_bytes_ = capacity_bytes;
  file_bytes_ = capacity_bytes;
  is_zero_filled_ = false;
  return {};
}

Status SegmentWriter::fill_with_zeros(const std::atomic<bool>& until) {
  constexpr std::uint64_t kPartBytes = 1ULL << 20;
  constexpr std::uint64_t kSyncStepBytes = 4ULL << 20;  // Bounds the dirty pages of one sync.
  const std::vector<std::byte> zeros(std::min(kPartBytes, capacity_bytes_));
  std::uint64_t unsynced = 0;
  for (std::uint64_t offset = 0; offset < capacity_bytes_ && !until; offset += zeros.size()) {
    const std::uint64_t count = std::min<std::uint64_t>(zeros.size(), capacity_bytes_ - offset);
    TRY(file_->write(offset, base::ByteSpan(zeros).first(count)));
    unsynced += count;
    if (unsynced >= kSyncStepBytes) {
      TRY(file_->sync_data());
      unsynced = 0;
    }
  }
  if (unsynced > 0) {
    TRY(file_->sync_data());
  }
  is_zero_filled_ = !until;
  return {};
}

Status SegmentWriter::write_header(SegmentHeader header) {
  header.id = id_;
  header.salt = access_.salt;
  header.capacity_bytes = capacity_bytes_;
  std::array<std::byte, kSegmentHeaderBytes> bytes{};
  const auto copy = base::ByteSpan(bytes).first(kSegmentHeaderCopyBytes);
  if (keys_ != nullptr) {
    DB_CHECK(!file_key_.empty());  // One header, one envelope.
    header.envelope = crypto::Envelope{};
    encode_segment_header(header, bytes);
    TRY_ASSIGN(header.envelope,
               crypto::wrap_file_key(*keys_, file_key_, part_bound_to_envelope(copy)));
    file_key_ = {};
  }
  encode_segment_header(header, bytes);
  if (keys_ != nullptr) {
    third_copy_.assign(copy.begin(), copy.end());
  }
  return file_->write(0, bytes);
}

Status SegmentWriter::activate(const std::string& final_path) {
  TRY(file_->sync_all());
  TRY(files_.rename(path_, final_path));
  path_ = final_path;
  return files_.sync_directory(io::parent_path(path_));
}

bool SegmentWriter::has_room(std::uint64_t bytes, std::uint64_t values) const {
  return capacity_with(bytes, values) <= capacity_bytes_;
}

std::uint64_t SegmentWriter::capacity_with(std::uint64_t bytes, std::uint64_t values) const {
  return offset_ + bytes + index_.encoded_bytes(layout_) + footer_growth(values, layout_);
}

std::uint64_t SegmentWriter::capacity_for(std::uint64_t bytes, std::uint64_t values,
                                          FrameLayout layout) {
  return base::align_up(kSegmentHeaderBytes + bytes + SegmentIndex{}.encoded_bytes(layout) +
                            footer_growth(values, layout),
                        kSegmentHeaderBytes);
}

Status SegmentWriter::append(GroupBuilder& group, std::uint32_t flags) {
  std::uint64_t end = offset_;
  if (layout_.is_encrypted()) {
    DB_CHECK(sealer_.has_value());
    TRY_ASSIGN(const base::ByteSpan bytes,
               group.place_sealed(*sealer_, access_.salt, offset_, durable_offset_, flags));
    TRY(file_->write(offset_, bytes));
    end += bytes.size();
  } else {
    for (const base::ByteSpan piece : group.place(access_.salt, offset_, durable_offset_, flags)) {
      TRY(file_->write(end, piece));
      end += piece.size();
    }
  }
  for (const SeqRange& run : group.runs()) {
    index_.add_run(run);
  }
  for (ValueLocation value : group.values()) {
    value.offset += offset_;
    index_.values.push_back(value);
  }
  if (group.first_seq() != 0) {
    add_group_location(index_.groups, {.first_seq = group.first_seq(), .offset = offset_});
  }
  offset_ = end;
  file_bytes_ = std::max(file_bytes_, offset_);
  return {};
}

Status SegmentWriter::sync() {
  TRY(file_->sync_data());
  durable_offset_ = offset_;
  return {};
}

Status SegmentWriter::seal(bool clean, std::uint64_t next_segment_id) {
  DB_CHECK(durable_offset_ == offset_);  // The footer is evidence that the groups were durable.
  FooterHeader header{.next_segment_id = next_segment_id, .clean = clean};
  if (!index_.runs.empty()) {
    header.first_seq = index_.runs.front().first;
    header.last_seq = index_.runs.back().last;
  }
  std::vector<std::byte> footer;
  if (layout_.is_encrypted()) {
    DB_CHECK(sealer_.has_value() && !third_copy_.empty());
    TRY_ASSIGN(footer, encode_sealed_footer(header, index_, access_.salt, offset_,
                                            {.sealer = *sealer_, .third_copy = third_copy_}));
  } else {
    footer = encode_footer(header, index_, access_.salt, offset_);
  }
  TRY(file_->write(offset_, footer));
  TRY(file_->sync_data());
  TRY(file_->truncate(offset_ + footer.size()));
  file_bytes_ = offset_ + footer.size();
  return file_->sync_all();
}

Status SegmentWriter::void_group(std::uint64_t offset) {
  const std::array<std::byte, FrameLayout(true).group_header_bytes()> zeros{};
  TRY(file_->write(offset, base::ByteSpan(zeros).first(layout_.group_header_bytes())));
  return file_->sync_data();
}

void SegmentWriter::abandon() {
  static_cast<void>(file_->close());
  static_cast<void>(files_.remove(path_));
}

Status write_again(io::FileSystem& files, const std::string& path, std::uint64_t begin,
                   std::uint64_t end) {
  constexpr std::uint64_t kCopyBytes = 1ULL << 20;
  TRY_ASSIGN(const std::unique_ptr<io::File> file, files.open(path, io::OpenMode::kReadWrite));
  std::vector<std::byte> buffer(kCopyBytes);
  for (std::uint64_t offset = begin; offset < end;) {
    const std::uint64_t wanted = std::min(kCopyBytes, end - offset);
    TRY_ASSIGN(const std::size_t count,
               file->read(offset, base::MutableByteSpan(buffer).first(wanted)));
    if (count == 0) {
      break;
    }
    TRY(file->write(offset, base::ByteSpan(buffer).first(count)));
    offset += count;
  }
  return file->sync_all();
}

Status trim_segment(io::FileSystem& files, const std::string& path, std::uint64_t valid_bytes) {
  TRY_ASSIGN(const std::unique_ptr<io::File> file, files.open(path, io::OpenMode::kReadWrite));
  TRY(file->truncate(valid_bytes));
  TRY(file->sync_all());
  return file->close();
}

}  // namespace pluresdb::wal
