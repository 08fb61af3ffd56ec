// Builds the bytes of one group in memory; they can be placed again elsewhere when a file fails.
// The largest values stay where their writers have them: such a group is written piece by piece.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
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

/// Written from its writer's memory: docs/decisions/0010-large-values-against-lmdb.md.
inline constexpr std::uint64_t kUncopiedValueBytes = 512ULL << 10;

/// What a writer sums up on its own processor, before a leader places its value.
struct ValueChecksums {
  std::uint32_t value = 0;            ///< CRC-32C of the value.
  std::vector<std::uint32_t> chunks;  ///< Of a value_in_log: of each plain chunk, with padding.
};
/// `layout`: of the files; chunks of encrypted ones have checksums of what the sealer makes of
/// them.
ValueChecksums checksums_of(const RecordView& record, FrameLayout layout = FrameLayout());

/// One thread at a time.
class GroupBuilder {
 public:
  /// Chunks are compressed by `compressor`, where that is worth it; it must outlive the builder.
  /// Null: all stay plain, as in every segment that is appended to.
  /// `layout`: of the files that the group will stand in. Values of at least
  /// `uncopied_value_bytes`, when they are in the log, are not copied; then there is no compressor.
  explicit GroupBuilder(ChunkCompressor* compressor = nullptr, FrameLayout layout = FrameLayout(),
                        std::uint64_t uncopied_value_bytes = ~0ULL)
      : compressor_(compressor), layout_(layout), uncopied_value_bytes_(uncopied_value_bytes) {}
  /// Starts an empty group. `bytes_expected`: memory to reserve for it.
  void clear(std::uint64_t bytes_expected = 0);
  /// Adds a record; the seqs must ascend. A value_in_log record brings its value along; one that is
  /// not copied must outlive the group. `chunk_crcs`: of its plain chunks, when they are known.
  void add(const RecordView& record, std::span<const std::uint32_t> chunk_crcs = {});
  /// Finishes the headers for this place and returns the bytes in pieces that follow each other,
  /// valid until the next call. Only uncopied values make it more than one. May be called again for
  /// another place.
  std::span<const base::ByteSpan> place(std::uint64_t salt, std::uint64_t offset,
                                        std::uint64_t durable_offset, std::uint32_t flags);
  /// The same, encrypted for that place by `sealer`, which no other call may give that place again,
  /// in one piece. The plain bytes stay as they are, for another file. kLocked, kKeyUnavailable.
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
  [[nodiscard]] std::uint64_t bytes() const { return bytes_.size() + left_bytes_; }

 private:
  struct Chunk {
    std::uint64_t offset;   // From the group's start.
    std::size_t position;   // In bytes_.
    base::ByteSpan left{};  // Its payload, when that is not in bytes_.
    ChunkHeader header;
  };
  void open_chunk(const ChunkHeader& header);
  void close_record_chunk();
  void add_value(const RecordView& record, std::span<const std::uint32_t> chunk_crcs);
  void end_chunk(std::size_t stored_bytes);
  void encode_headers(std::uint64_t salt, std::uint64_t offset, std::uint64_t durable_offset,
                      std::uint32_t flags);
  [[nodiscard]] base::ByteSpan plain_payload(const Chunk& chunk) const;

  ChunkCompressor* compressor_;
  FrameLayout layout_;
  std::uint64_t uncopied_value_bytes_;
  // Plain, without the payloads that are not copied. With a layout of encrypted files: room for the
  // tags.
  std::vector<std::byte> bytes_;
  std::uint64_t left_bytes_ = 0;  // Of what is not copied.
  std::vector<base::ByteSpan> pieces_;
  std::vector<std::byte> sealed_;
  std::vector<Chunk> chunks_;
  std::vector<ValueLocation> values_;  // Offsets from the group's start.
  SegmentIndex runs_;                  // Only its runs.
  GroupHeader header_;
  bool record_chunk_open_ = false;
};

}  // namespace pluresdb::wal
