// Reads frames, records and large values of one segment through a small window, trusting nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/io/file_system.h"
#include "engine/wal/chunk_compression.h"
#include "engine/wal/frame_seal.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_format.h"
#include <pluresdb/error.h>

namespace pluresdb::wal {

enum class FrameKind { kNone, kGroup, kFooter };

/// A frame whose header is valid, in an encrypted file authentic too; its body is not checked yet.
struct Frame {
  FrameKind kind = FrameKind::kNone;
  std::uint64_t offset = 0;
  std::uint64_t end = 0;
  bool complete = true;  ///< False: the body would reach beyond the readable part.
  GroupHeader group;
  FooterHeader footer;
};

/// What is read at once. Records that a reader visits with ValueMode::kSkip lie in this window and
/// stay valid until it reads further.
inline constexpr std::uint64_t kReadWindowBytes = 512ULL << 10;
static_assert(kReadWindowBytes >= kValueChunkBytesMax + kChunkHeaderBytes + kAlignment);

enum class ValueMode {
  kSkip,    ///< Large values are stepped over unread.
  kVerify,  ///< Read and checked, not kept.
  kRead,    ///< RecordView::value is filled.
};

struct ReadRecord {
  RecordView view;  ///< Valid during the call.
  std::uint64_t value_offset = 0;
  std::uint64_t value_stored_bytes = 0;  ///< Of its chunks, headers and padding included.
  bool value_readable = true;            ///< False: the large value is damaged (never with kSkip).
};
using RecordVisitor = std::function<Status(const ReadRecord&)>;

/// The trailer at the end of a file that is not encrypted, and the salt that it gives itself.
struct FileTrailer {
  std::uint64_t salt = 0;
  Trailer trailer;
};
/// Nothing when the file, of `size_bytes`, does not end with a valid one. kIo.
Result<std::optional<FileTrailer>> read_file_trailer(io::File& file, std::uint64_t size_bytes);
/// The salt of a file, not encrypted, whose headers are both damaged, from a frame that stands
/// where no value can: at the place of the first group, at `known_end` (0: not known), or as the
/// footer and trailer that end a file. A frame anywhere else may be a value that somebody made look
/// like one. 0: nothing readable stands there, and nothing in the file can be believed. kIo.
Result<std::uint64_t> find_salt(io::File& file, std::uint64_t size_bytes, std::uint64_t known_end);

/// One thread at a time; several readers may share a file.
class SegmentReader {
 public:
  /// Reads [0, end) of `file`, which must outlive the reader.
  SegmentReader(io::File& file, SegmentAccess access, std::uint64_t end)
      : file_(file), access_(std::move(access)), end_(end), read_ahead_end_(end) {}

  /// Whoever stops before `end` says so: the window then holds nothing behind it in advance.
  void limit_read_ahead(std::uint64_t end) { read_ahead_end_ = end; }
  /// How often the window was filled, or the room for unpacked chunks used anew: views handed out
  /// before the last time are void.
  [[nodiscard]] std::uint64_t window_fills() const { return window_fills_; }
  /// Memory of window and unpacked chunks, for the next reader: worth keeping where they are many.
  struct Memory {
    std::vector<std::byte> window;
    std::vector<std::byte> plain;
  };
  void adopt_memory(Memory&& memory) {
    window_ = std::move(memory.window);
    plain_ = std::move(memory.plain);
  }
  Memory release_memory() {
    window_bytes_ = 0;
    plain_used_ = 0;
    return {.window = std::exchange(window_, {}), .plain = std::exchange(plain_, {})};
  }
  /// Frames, chunks and footers met so far whose checksums are right and whose tags are not.
  [[nodiscard]] std::uint64_t tampered() const { return tampered_; }

  /// The frame whose header stands at `offset`, or kNone.
  Result<Frame> frame_at(std::uint64_t offset);
  /// The first frame with a valid header at or behind `offset`, or kNone.
  Result<Frame> find_frame(std::uint64_t offset);
  /// Visits every readable record of the group, in order. True when nothing in it is damaged.
  Result<bool> read_group(const Frame& frame, ValueMode mode, const RecordVisitor& visit);
  /// Checks the large value of `record` whose first chunk is at `offset`; fills `value` when
  /// given. False when any of its bytes is damaged.
  Result<bool> read_value(std::uint64_t offset, const RecordView& record, std::string* value);
  /// Reads and checks the footer's index. Empty when it is damaged.
  Result<std::optional<SegmentIndex>> read_footer(const Frame& frame);
  /// The trailer that stands at `offset`. Empty when there is none.
  Result<std::optional<Trailer>> trailer_at(std::uint64_t offset);
  /// The greatest seq that an intact chunk between the offsets names, whatever stands around it; 0:
  /// none.
  Result<Seq> last_seq_in_chunks(std::uint64_t begin, std::uint64_t end);
  /// End of the last byte in [from, end) that is not zero; `from` when all are.
  Result<std::uint64_t> non_zero_end(std::uint64_t from);
  /// Up to `count` bytes at `offset`, fewer at the end; valid until the next call of this object.
  Result<base::ByteSpan> view(std::uint64_t offset, std::uint64_t count);
  [[nodiscard]] std::uint64_t end() const { return end_; }

 private:
  struct ValueWalk {
    bool intact = true;
    std::uint64_t end = 0;  ///< Of the last chunk whose header is intact.
  };
  Result<ValueWalk> walk_value(std::uint64_t offset, const RecordView& record, ValueMode mode,
                               std::string* value);
  Result<std::optional<base::ByteSpan>> read_payload(const ChunkHeader& chunk,
                                                     std::uint64_t offset);
  /// The header of the chunk at `offset`, which lies within `end`; its word alone.
  Result<std::optional<ChunkHeader>> chunk_at(std::uint64_t offset, std::uint64_t end);
  Result<std::uint64_t> find_chunk(std::uint64_t offset, std::uint64_t end);
  Result<bool> is_authentic_header(std::uint64_t offset, base::ByteSpan header);
  base::MutableByteSpan room_for_plain(std::uint64_t bytes);
  Result<bool> read_record_chunk(const ChunkHeader& chunk, std::uint64_t& position,
                                 std::uint64_t group_end, ValueMode mode,
                                 const RecordVisitor& visit, std::uint64_t& visited);

  io::File& file_;
  const SegmentAccess access_;
  std::uint64_t end_;
  std::uint64_t read_ahead_end_;
  std::vector<std::byte> window_;
  std::uint64_t window_offset_ = 0;
  std::size_t window_bytes_ = 0;
  ChunkDecompressor decompressor_;
  std::vector<std::byte> plain_;  // Decrypted or decompressed chunks, one behind the other.
  std::size_t plain_used_ = 0;
  std::uint64_t tampered_ = 0;
  std::uint64_t window_fills_ = 0;
  std::vector<std::byte> chunk_;
  std::string value_;
};

}  // namespace pluresdb::wal
