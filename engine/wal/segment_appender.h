// Puts finished groups into segments: rotation, and what happens when a file fails (D5, D6).
//
// Owner: the log's leader, one thread at a time, no lock held. Order of syncs and the table of
// failures: docs/formats/wal.md "Order" and "Failures".
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "engine/base/mutex.h"
#include "engine/wal/group_builder.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_format.h"
#include "engine/wal/segment_pool.h"
#include "engine/wal/segment_set.h"
#include "engine/wal/segment_writer.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/stats.h>

namespace pluresdb::wal {

enum class GroupFate {
  kWritten,  ///< And durable, when that was asked for.
  kRefused,  ///< Certainly not written; its seqs and dots may be given out again.
  kUnknown,  ///< May survive.
};
struct GroupOutcome {
  GroupFate fate = GroupFate::kWritten;
  std::optional<Error> error;  ///< What its writers are told unless it was written.
};

class SegmentAppender {
 public:
  /// `previous`: what the next segment continues from.
  SegmentAppender(const LogOptions& options, SegmentPool& pool, SegmentSet& segments,
                  const Predecessor& previous);

  /// Writes `group`; `last_hlc` is the hlc of its last record, `hlc_floor` that of the whole log.
  /// After kUnknown, and after a kRefused other than kNoSpace, is_poisoned() is true.
  GroupOutcome commit(GroupBuilder& group, Hlc last_hlc, Hlc hlc_floor, bool sync);
  /// Makes everything written durable. An error poisons.
  Status sync();
  /// Begins a segment when none is active. `next_seq`, `hlc_floor`: of the whole log. After an
  /// error none is, as before.
  Status begin(Seq next_seq, Hlc hlc_floor);
  /// An empty group that says that everything before it is durable. Failing does no harm to what
  /// was written before.
  void write_watermark();
  /// True when a crash now would leave a group that no later byte proves to have been durable.
  [[nodiscard]] bool wants_watermark() const;
  /// Syncs and seals the active segment as a clean end.
  Status close();

  /// A write may have been lost: no more groups until the log is opened again.
  [[nodiscard]] bool is_poisoned() const { return poisoned_.has_value(); }
  /// kReadOnly, with the reason.
  [[nodiscard]] Error poisoned_error() const;
  /// Only the counters that belong to this class. Thread: any.
  [[nodiscard]] WalStats stats() const;

 private:
  struct Failure {
    Error cause;
    std::uint64_t offset = 0;  // Of the group in the active segment.
    bool in_sync = false;      // Else in the write.
  };
  /// What a new segment is made for.
  struct Beginning {
    Seq first_seq = 0;
    Hlc hlc_floor = 0;
    std::uint64_t group_bytes = 0;  // Of the first group, for which there has to be room.
    std::size_t group_values = 0;
  };
  static Beginning beginning_for(const GroupBuilder& group, Hlc hlc_floor);
  Status open_segment(const Beginning& beginning);
  Status try_open_segment(const Beginning& beginning);
  Status retire_active();
  std::unique_ptr<SegmentWriter> end_active(bool sealed);
  void trim_predecessor();
  [[nodiscard]] bool has_small_groups() const;
  [[nodiscard]] bool would_rather_go_on_in_the_spare(const GroupBuilder& group) const;
  Status write_group(GroupBuilder& group, bool sync, bool& sync_failed);
  GroupOutcome write_elsewhere(GroupBuilder& group, Hlc last_hlc, Hlc hlc_floor,
                               const Failure& failure);
  void note_written(const GroupBuilder& group, std::uint64_t offset, Hlc last_hlc, bool synced);
  Status sync_active();
  GroupOutcome poison(GroupFate fate, const Error& cause);
  GroupOutcome refuse(const Error& cause);

  const LogOptions& options_;
  SegmentPool& pool_;
  SegmentSet& segments_;
  const FrameLayout layout_;
  const std::uint32_t group_flags_;
  std::unique_ptr<SegmentWriter> active_;
  std::shared_ptr<Segment> active_segment_;  // Shared with readers.
  Predecessor previous_;                     // Of the next segment, while there is no active one.
  bool previous_is_suspect_ = false;         // A sync of it has failed.
  Seq last_written_seq_;
  bool watermark_wanted_ = false;
  std::uint64_t groups_written_ = 0;
  std::uint64_t mean_group_bytes_ = 0;  // Of the recent groups.
  std::optional<Error> poisoned_;

  mutable base::Mutex stats_mutex_;
  WalStats stats_ GUARDED_BY(stats_mutex_);
};

}  // namespace pluresdb::wal
