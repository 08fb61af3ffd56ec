// Writes a new log that holds given records under the seqs they have: how a rebuilt store gets its
// own copies of large values.
//
//   rewritten segments (sparse)    the large values, in seq order
//   one segment with one record    the newest record: it carries the seqs in use, as in any log
//   one segment without a record   only when seqs behind the newest record may have been given out:
//                                  its header declares them a gap
// Nobody reads the directory before it is finished, so the order of steps does not matter here;
// each file is whole, synced and read back when finish() returns.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "engine/crypto/master_keys.h"
#include "engine/io/file_system.h"
#include "engine/wal/group_builder.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_format.h"
#include "engine/wal/segment_writer.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>

namespace pluresdb::wal {

/// One thread at a time. After an error the directory is for its owner to remove.
class LogBuilder {
 public:
  struct Options {
    std::string directory;  ///< Exists and is empty of segments.
    std::uint64_t segment_bytes = 64ULL << 20;
    std::array<std::byte, 16> store_uuid{};
    const crypto::MasterKeys* keys = nullptr;  ///< Not null: the log is encrypted.
    io::FileSystem* files = nullptr;           ///< Never null.
  };
  explicit LogBuilder(Options options)
      : options_(std::move(options)), layout_(options_.keys != nullptr), group_(nullptr, layout_) {}

  /// Adds a record; seqs ascend. A value_in_log record brings its value along.
  Status add(const RecordView& record);
  /// `newest`: above every record added. `next_seq`: no later record may have a lower seq.
  /// `hlc_floor`: no record has a greater hlc. The directory is synced.
  Status finish(const RecordView& newest, Seq next_seq, Hlc hlc_floor);

  [[nodiscard]] std::uint64_t records() const { return records_; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

 private:
  Status begin_segment();
  Status flush();
  Status end_rewritten();
  /// Reads everything back, then gives the file its name.
  Status end_segment(std::uint64_t records);

  const Options options_;
  const FrameLayout layout_;
  std::unique_ptr<SegmentWriter> writer_;
  GroupBuilder group_;
  std::uint64_t next_id_ = 1;
  std::uint64_t records_in_segment_ = 0;
  std::uint64_t records_ = 0;
  std::uint64_t bytes_ = 0;
  Seq covered_through_ = 0;  // By the rewritten segments so far.
  Seq last_seq_ = 0;
  Hlc hlc_floor_ = 0;
};

}  // namespace pluresdb::wal
