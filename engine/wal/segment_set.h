// The segments of an open log as its readers see them: which file holds which seqs, up to where.
//
// Written by the log's leader and by maintenance (removal, rewriting), read by any thread. A reader
// works on a copy of what it needs and keeps the file open, so a segment may go away meanwhile.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/base/mutex.h"
#include "engine/io/file_system.h"
#include "engine/wal/frame_seal.h"
#include "engine/wal/group_builder.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_format.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/stats.h>

namespace pluresdb::wal {

/// One segment file. What is not marked constant changes only inside SegmentSet.
struct Segment {
  std::uint64_t id = 0;     // Constant.
  std::string path;         // Constant.
  SegmentAccess access;     // Constant.
  bool rewritten = false;   // Constant.
  bool compressed = false;  // Constant. See SegmentHeader.
  SeqRange covers;          // Constant. Rewritten segments only.
  Seq lowest_seq = 0;  // Constant. No record below; 0 when not known. A declared gap is included.
  std::uint64_t predecessor_id = 0;  // Constant. 0 in rewritten segments.
  Predecessor
      newest_part;    // Constant. Its own id and salt, or what a rewritten one's header names.
  Seq first_seq = 0;  // Of readable records; 0: none.
  Seq last_seq = 0;
  Seq last_written_seq = 0;              // Including damaged ones.
  std::uint64_t valid_end = 0;           // Readers stop here.
  std::uint64_t file_bytes = 0;          // Preallocation included.
  std::uint64_t value_bytes = 0;         // Sum over `values`.
  std::vector<ValueLocation> values;     // Ascending seqs.
  std::vector<GroupLocation> groups;     // About one per 64 KiB, ascending.
  Hlc hlc_floor = 0;                     // No record in it has a greater one.
  std::optional<Predecessor> known_end;  // What a successor's header says, once there is one.
  bool active = false;                   // Takes groups.
  bool damaged = false;
  bool holds_only_copy = false;  // Constant. Its damaged bytes found no place in quarantine.
  /// Bytes beyond valid_end are void only because the successor's header says so: that one must
  /// stay as long as this one is there.
  bool needs_successor = false;
  std::shared_ptr<io::File> file;  // Open for reading, or null. Shared: outlives its removal.
};

/// One segment, or a part of it, to be read.
struct ReadSpan {
  std::shared_ptr<const Segment>
      segment;     ///< Shared: may be removed meanwhile. Constant fields only.
  SeqRange range;  ///< Records outside are somewhere else, or void.
  std::uint64_t start_offset = kSegmentHeaderBytes;
  std::uint64_t end_offset = kSegmentHeaderBytes;  ///< No group that begins there or behind.
  std::uint64_t valid_end = kSegmentHeaderBytes;   ///< Groups may reach up to here.
  bool overlaps = false;  ///< plan_pieces: seqs of its range may stand in an earlier span too.
};

struct ValuePlace {
  std::shared_ptr<const Segment> segment;
  ValueLocation location;
  std::uint64_t end = 0;  ///< No chunk of the value lies behind it.
};

/// Thread: any. No lock is held across I/O, except for opening a file.
class SegmentSet {
 public:
  explicit SegmentSet(io::FileSystem& files) : files_(files) {}

  void add(std::shared_ptr<Segment> segment);
  /// Replaces `inputs` by `output` in one step (null: by nothing).
  void replace(std::span<const std::uint64_t> inputs, std::shared_ptr<Segment> output);

  /// The group placed at `offset` of `segment` may be read from now on.
  void publish(Segment& segment, const GroupBuilder& group, std::uint64_t offset, Hlc hlc);
  /// `segment` takes no more groups; what lies beyond its valid end is void.
  void retire(Segment& segment, bool sealed, std::uint64_t file_bytes);
  /// A successor that names the end of segment `id` is durable.
  void note_successor(const Predecessor& end);
  [[nodiscard]] bool needs_successor(const Segment& segment) const;
  /// The bytes beyond the valid end are gone, durably.
  void note_trimmed(Segment& segment);

  [[nodiscard]] std::shared_ptr<Segment> find(std::uint64_t id) const;
  /// The segment that was appended to last: carries the seqs and ids in use. Null: none.
  [[nodiscard]] std::shared_ptr<Segment> newest() const;
  /// True for the newest segment, for one whose header another segment still needs, and for one
  /// with damaged bytes that exist nowhere else.
  [[nodiscard]] bool must_stay(std::uint64_t id) const;
  [[nodiscard]] std::vector<SegmentInfo> infos() const;
  /// A consistent copy of all fields (but `file`).
  [[nodiscard]] std::vector<Segment> snapshot() const;
  /// What to read for every record with seq >= `from`, in seq order, each seq once.
  [[nodiscard]] std::vector<ReadSpan> plan(Seq from) const;
  /// The same, cut at known groups into spans of up to `piece_bytes` (more where a group is larger)
  /// that can be read independently of each other.
  [[nodiscard]] std::vector<ReadSpan> plan_pieces(Seq from, std::uint64_t piece_bytes) const;
  /// All of one segment. Empty: it is gone.
  [[nodiscard]] std::optional<ReadSpan> whole_span(std::uint64_t id) const;
  [[nodiscard]] std::optional<ValuePlace> find_value(Seq seq) const;
  /// Opens the segment for reading, or takes the open file. kNotFound: removed meanwhile.
  Result<std::shared_ptr<io::File>> file_of(const Segment& segment);

 private:
  void insert(std::shared_ptr<Segment> segment) REQUIRES(mutex_);
  std::shared_ptr<Segment> find_locked(std::uint64_t id) const REQUIRES(mutex_);
  std::shared_ptr<Segment> newest_locked() const REQUIRES(mutex_);
  std::vector<ReadSpan> plan_locked(Seq from) const REQUIRES(mutex_);

  io::FileSystem& files_;
  mutable base::Mutex mutex_;
  std::vector<std::shared_ptr<Segment>> segments_ GUARDED_BY(mutex_);  // By id.
  std::deque<std::weak_ptr<Segment>> open_files_ GUARDED_BY(mutex_);   // Oldest first.
};

/// The seqs that `segment` is asked for.
SeqRange seq_span(const Segment& segment);

/// `whole` without `holes`, which ascend and may overlap.
std::vector<SeqRange> subtract(SeqRange whole, const std::vector<SeqRange>& holes);

}  // namespace pluresdb::wal
