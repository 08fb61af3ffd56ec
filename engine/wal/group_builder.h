// Builds the bytes of one group in memory; they can be placed again elsewhere when a file fails.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/crypto/chunk_sealer.h"
#include "engine/wal/chunk_compression.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_format.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/stats.h>

namespace pluresdb::wal {

/// Upper bound of the bytes a group gets by adding `record`, chunk headers included.
std::uint64_t group_bytes_bound(const RecordView& record, FrameLayout layout = FrameLayout());

/// kInvalidArgument when the request is not one that a record can hold.
Status check_request(const AppendRequest& request);

/// One thread at a time.
class GroupBuilder {
 public:
  /// Chunks are compressed by `compressor`, where that is worth it; it must outlive the builder.
  /// Null: all stay plain, as in every segment that is appended to.
  /// `layout`: of the files that the group will stand in.
  explicit GroupBuilder(ChunkCompressor* compressor = nullptr, FrameLayout layout = FrameLayout())
      : compressor_(compressor), layout_(layout) {}
  /// Starts an empty group. `bytes_expected`: memory to reserve for it.
  void clear(std::uint64_t bytes_expected = 0);
  /// Adds a record; the seqs must ascend. A value_in_log record brings its value along.
  void add(const RecordView& record);
  /// Finishes the headers for this place and returns the bytes, valid until the next call. May be
  /// called again for another place.
  base::ByteSpan place(std::uint64_t salt, std::uint64_t offset, std::uint64_t durable_offset,
                       std::uint32_t flags);
  /// The same, encrypted for that place by `sealer`, which no other call may give that place again.
  /// The plain bytes stay as they are, for another file. kLocked, kKeyUnavailable.
  Result<base::ByteSpan> place_sealed(crypto::ChunkSealer& sealer, std::uint64_t salt,
                                      std::uint64_t offset, std::uint64_t durable_offset,
                                      std::uint32_t flags);
  /// The large values; offsets count from the group's start.
  [[nodiscard]] const std::vector<ValueLocation>& values() const { return values_; }
  /// The seqs of its records as closed ranges.
  [[nodiscard]] const std::vector<SeqRange>& runs() const { return runs_.runs; }
  [[nodiscard]] Seq first_seq() const { return header_.first_seq; }  ///< 0: no record.
  [[nodiscard]] Seq last_seq() const { return header_.last_seq; }
  [[nodiscard]] std::uint32_t record_count() const { return header_.record_count; }
  /// At most so many until place() has closed the last chunk, exactly so many afterwards.
  [[nodiscard]] std::uint64_t bytes() const { return bytes_.size(); }

 private:
  struct Chunk {
    std::size_t position;
    ChunkHeader header;
  };
  void open_record_chunk(Seq first_seq);
  void close_record_chunk();
  void add_value(const RecordView& record);
  void end_chunk();
  base::ByteSpan encode_headers(std::uint64_t salt, std::uint64_t offset,
                                std::uint64_t durable_offset, std::uint32_t flags);

  ChunkCompressor* compressor_;
  FrameLayout layout_;
  std::vector<std::byte> bytes_;  // Plain. With a layout of encrypted files: room for the tags.
  std::vector<std::byte> sealed_;
  std::vector<Chunk> chunks_;
  std::vector<ValueLocation> values_;  // Offsets from the group's start.
  SegmentIndex runs_;                  // Only its runs.
  GroupHeader header_;
  bool record_chunk_open_ = false;
};

}  // namespace pluresdb::wal
