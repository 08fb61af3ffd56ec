#include "engine/tools/store_survey.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "engine/core/read_only_store.h"
#include "engine/store/base_inspector.h"
#include "engine/store/base_store.h"
#include "engine/wal/log.h"
#include "engine/wal/log_check.h"
#include "engine/wal/log_reader.h"
#include "engine/wal/recovery.h"
#include "engine/wal/segment_format.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/stats.h>

namespace pluresdb::tools {
namespace {

/// Rows of a breakdown; what comes later is counted together.
constexpr std::size_t kRowsMax = 10'000;
constexpr const char* kOtherRows = "(others)";
constexpr std::size_t kUnreadableNamedMax = 1000;

BreakdownRow& row_of(Breakdown& breakdown, std::string_view key) {
  const auto found = breakdown.find(key);
  if (found != breakdown.end()) {
    return found->second;
  }
  return breakdown[breakdown.size() < kRowsMax ? std::string(key) : std::string(kOtherRows)];
}

std::string_view prefix_of(std::string_view id) {
  const auto slash = id.find('/');
  return slash == std::string_view::npos ? std::string_view{} : id.substr(0, slash + 1);
}

const char* state_of(const wal::ExaminedSegment& segment, bool is_newest) {
  const wal::SegmentScan& scan = segment.scan;
  if (segment.superseded) {
    return "superseded";  // A rewritten file holds its records: the next open removes it.
  }
  if (scan.is_damaged()) {
    return "damaged";
  }
  if (scan.sparse) {
    return "rewritten";
  }
  if (scan.torn) {
    return "torn";
  }
  if (scan.sealed) {
    return scan.clean ? "sealed, clean end" : "sealed";
  }
  // Without a footer: the one that was appended to at the end, or one that a failure ended.
  return is_newest ? "active at the end" : "ended";
}

/// A large value of the log, and what became of it.
struct Value {
  Seq seq = 0;
  std::size_t segment = 0;  ///< Index in StoreSurvey::segments.
  std::uint64_t bytes = 0;
  std::uint32_t crc = 0;
  bool readable = true;
  bool live = false;
};

class Surveyor {
 public:
  Surveyor(core::ReadOnlyStore& store, const SurveyWishes& wishes)
      : store_(store), wishes_(wishes) {}

  Result<StoreSurvey> run() {
    describe_segments();
    TRY(read_records());
    TRY(read_base());
    TRY(visit_newer());
    count_values();
    for (const SegmentFacts& segment : survey_.segments) {
      survey_.entries += segment.entries;
      survey_.wal_bytes += segment.file_bytes;
      survey_.torn_bytes += segment.torn_bytes;
    }
    return std::move(survey_);
  }

 private:
  void describe_segments() {
    std::uint64_t newest_id = 0;
    const auto& segments = store_.log().segments;
    for (const wal::ExaminedSegment& segment : segments) {
      newest_id = segment.scan.sparse ? newest_id : segment.scan.id;
    }
    for (const wal::ExaminedSegment& segment : segments) {
      const wal::SegmentScan& scan = segment.scan;
      SegmentFacts facts{.id = scan.id,
                         .name = wal::segment_name(scan.id),
                         .state = state_of(segment, scan.id == newest_id),
                         .seqs = {},
                         .entries = segment.superseded ? 0 : scan.records,
                         .file_bytes = scan.file_bytes,
                         .valid_bytes = scan.valid_end,
                         .live = {},
                         .dead = {},
                         .unreadable = {},
                         .torn_bytes = scan.torn_bytes,
                         .damages = scan.damages,
                         .lost = scan.lost};
      if (scan.last_seq != 0) {
        facts.seqs = SeqRange{.first = scan.first_seq, .last = scan.last_seq};
      }
      if (!segment.superseded) {
        for (const wal::ValueLocation& value : scan.values) {
          values_.push_back({.seq = value.seq,
                             .segment = survey_.segments.size(),
                             .bytes = value.value_bytes,
                             .crc = value.value_crc,
                             .readable = !wal::is_inside(value.seq, scan.lost)});
        }
      }
      survey_.segments.push_back(std::move(facts));
    }
    // A seq stands twice where a damaged rewritten file and some of its inputs are both there: a
    // readable one comes first.
    std::ranges::sort(values_, [](const Value& a, const Value& b) {
      return a.seq != b.seq ? a.seq < b.seq : a.readable > b.readable;
    });
  }

  /// Once over the log: what is newer than the checkpoint, and the counts of a breakdown.
  Status read_records() {
    const Seq checkpoint_seq = store_.meta().checkpoint_seq;
    const bool wants_all = wishes_.breakdown || wishes_.visit_record;
    return wal::replay_segments(store_.segments(), wants_all ? 0 : checkpoint_seq + 1, false,
                                [&](const wal::RecordView& record) -> Status {
                                  if (wishes_.visit_record) {
                                    wishes_.visit_record(record);
                                  }
                                  if (wishes_.breakdown) {
                                    count_record(record);
                                  }
                                  const bool is_write = record.type == wal::OperationType::kPut ||
                                                        record.type == wal::OperationType::kDelete;
                                  if (record.seq > checkpoint_seq && is_write) {
                                    newest_[std::string(record.id)] = record.seq;
                                  }
                                  return {};
                                });
  }

  void count_record(const wal::RecordView& record) {
    const std::uint64_t bytes =
        record.id.size() + std::max<std::uint64_t>(record.value.size(), record.value_bytes);
    for (BreakdownRow* row :
         {&row_of(survey_.by_actor, record.actor), &row_of(survey_.by_prefix, prefix_of(record.id)),
          &row_of(survey_.by_operation, operation_name(record.type))}) {
      ++row->entries;
      row->entry_bytes += bytes;
    }
  }

  Status read_base() {
    store::BaseInspector* const base = store_.base();
    survey_.actors = store_.meta().version_vector.size();
    if (base == nullptr) {
      return {};
    }
    survey_.tables = base->tables();
    for (const store::TableInfo& table : survey_.tables) {
      survey_.base_bytes += table.bytes;
    }
    const auto cursor = base->cursor({});
    std::string id;
    store::BaseValue value;
    while (true) {
      const Result<bool> found = cursor->next(id, value);
      if (!found) {
        survey_.base_failure = to_string(found.error());
        return {};
      }
      if (!*found) {
        return {};
      }
      if (!newest_.contains(id)) {
        TRY(note_document(id, value));
      }
    }
  }

  /// Documents that the base store does not have, or has an older write of.
  Status visit_newer() {
    if (newest_.empty()) {
      return {};
    }
    return wal::replay_segments(store_.segments(), store_.meta().checkpoint_seq + 1, false,
                                [&](const wal::RecordView& record) -> Status {
                                  const auto found = newest_.find(std::string(record.id));
                                  if (found == newest_.end() || found->second != record.seq) {
                                    return {};
                                  }
                                  store::BaseValue value;
                                  value.stamp = {.hlc = record.hlc,
                                                 .actor = std::string(record.actor),
                                                 .actor_seq = record.actor_seq};
                                  value.seq = record.seq;
                                  value.value_bytes = record.value_bytes;
                                  value.value_crc = record.value_crc;
                                  if (record.type == wal::OperationType::kDelete) {
                                    value.kind = store::ValueKind::kTombstone;
                                  } else if (record.value_in_log) {
                                    value.kind = store::ValueKind::kInLog;
                                  } else {
                                    value.json = record.value;
                                  }
                                  return note_document(record.id, value);
                                });
  }

  /// What the store shows under `id`.
  Status note_document(std::string_view id, store::BaseValue& value) {
    if (value.kind == store::ValueKind::kTombstone) {
      ++survey_.tombstones;
      return {};
    }
    std::uint64_t bytes = value.json.size();
    if (value.kind == store::ValueKind::kInLog) {
      ++survey_.large_references;
      bytes = value.value_bytes;
      std::string why = resolve(value);
      if (!why.empty()) {
        note_unreadable(id, value.seq, std::move(why));
        return {};
      }
      if (wishes_.visit_document) {  // Its bytes were read and compared a moment before.
        TRY_ASSIGN(value.json, wal::read_large_value(store_.segments(), value.seq,
                                                     value.value_bytes, value.value_crc));
      }
    }
    survey_.documents.add(bytes);
    if (wishes_.breakdown) {
      for (BreakdownRow* row : {&row_of(survey_.by_actor, value.stamp.actor),
                                &row_of(survey_.by_prefix, prefix_of(id))}) {
        ++row->documents;
        row->document_bytes += bytes;
      }
    }
    if (wishes_.visit_document) {
      wishes_.visit_document(id, value);
    }
    return {};
  }

  /// Why the large value cannot be read; empty when it can. Marks it live.
  std::string resolve(const store::BaseValue& value) {
    const auto found = std::ranges::lower_bound(values_, value.seq, {}, &Value::seq);
    if (found == values_.end() || found->seq != value.seq) {
      return fmt::format("its value of {} bytes is not in the log", value.value_bytes);
    }
    for (auto copy = found; copy != values_.end() && copy->seq == value.seq; ++copy) {
      copy->live = true;
    }
    if (found->bytes != value.value_bytes || found->crc != value.value_crc) {
      return fmt::format("its value in {} is another one ({} bytes, not {})",
                         survey_.segments[found->segment].name, found->bytes, value.value_bytes);
    }
    if (!found->readable) {
      return fmt::format("its value of {} bytes in {} is damaged", value.value_bytes,
                         survey_.segments[found->segment].name);
    }
    return {};
  }

  void note_unreadable(std::string_view id, Seq seq, std::string why) {
    ++survey_.unreadable_documents;
    survey_.unreadable_seqs.push_back(seq);
    if (survey_.unreadable.size() < kUnreadableNamedMax) {
      survey_.unreadable.push_back({.id = std::string(id), .seq = seq, .why = std::move(why)});
    }
  }

  void count_values() {
    for (const Value& value : values_) {
      SegmentFacts& segment = survey_.segments[value.segment];
      if (!value.readable) {
        segment.unreadable.add(value.bytes);
      } else if (value.live) {
        segment.live.add(value.bytes);
        survey_.live.add(value.bytes);
      } else {
        segment.dead.add(value.bytes);
        survey_.dead.add(value.bytes);
      }
    }
  }

  core::ReadOnlyStore& store_;
  const SurveyWishes& wishes_;
  StoreSurvey survey_;
  std::vector<Value> values_;  // By seq.
  /// Last write behind the checkpoint by id: as large as the table of the open store would be.
  std::unordered_map<std::string, Seq> newest_;
};

}  // namespace

const char* operation_name(wal::OperationType type) {
  switch (type) {
    case wal::OperationType::kPut:
      return "put";
    case wal::OperationType::kDelete:
      return "delete";
    case wal::OperationType::kCompact:
      return "compact";
    case wal::OperationType::kCheckpoint:
      break;
  }
  return "checkpoint";
}

Result<StoreSurvey> survey(core::ReadOnlyStore& store, const SurveyWishes& wishes) {
  return Surveyor(store, wishes).run();
}

}  // namespace pluresdb::tools
