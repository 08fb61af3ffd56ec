// See segment_rewrite.h. The steps and what a crash leaves at each: docs/formats/wal.md
// "Rewriting".
#include "engine/wal/segment_rewrite.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/io/file_system.h"
#include "engine/wal/chunk_compression.h"
#include "engine/wal/group_builder.h"
#include "engine/wal/log.h"
#include "engine/wal/log_reader.h"
#include "engine/wal/segment_format.h"
#include "engine/wal/segment_pool.h"
#include "engine/wal/segment_reader.h"
#include "engine/wal/segment_scan.h"
#include "engine/wal/segment_set.h"
#include "engine/wal/segment_writer.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/stats.h>

namespace pluresdb::wal {
namespace {

/// Groups of a rewritten file: small enough to hold in memory, large enough to write in one go.
constexpr std::uint64_t kRewriteGroupBytes = 1ULL << 20;
/// Synced in steps of so many bytes: a writer's sync never waits for more of ours than that.
constexpr std::uint64_t kRewriteSyncStepBytes = 4ULL << 20;

/// Over everything that a record chunk holds; a large value has a checksum of its own.
std::uint32_t add_to_digest(std::uint32_t digest, const RecordView& record) {
  std::vector<std::byte> bytes;
  encode_record(record, bytes);
  return base::crc32c(bytes, digest);
}

class Rewrite {
 public:
  Rewrite(const LogOptions& options, SegmentPool& pool, SegmentSet& segments)
      : options_(options),
        files_(*options.files),
        pool_(pool),
        segments_(segments),
        layout_(options.keys != nullptr),
        compress_(options.compress_rewritten) {}

  Result<std::uint64_t> run(std::span<const std::uint64_t> ids,
                            const std::function<bool(const RecordView&)>& keep) {
    TRY(choose_inputs(ids));
    const std::uint64_t id = pool_.take_id();
    TRY_ASSIGN(writer_,
               SegmentWriter::prepare(
                   files_, {.temporary_path = io::join_path(options_.directory, rewrite_name(id)),
                            .id = id,
                            .salt = options_.new_salt ? options_.new_salt() : random_salt(),
                            .capacity_bytes = SegmentWriter::capacity_for(0, 0, layout_),
                            .keys = options_.keys}));
    Status made = write_output(keep);
    if (made) {
      made = verify_output();
    }
    if (made) {
      made = writer_->activate(io::join_path(options_.directory, segment_name(id)));
    }
    if (!made) {
      writer_->abandon();
      return std::unexpected(std::move(made).error());
    }
    TRY(replace_inputs());
    return id;
  }

 private:
  Status choose_inputs(std::span<const std::uint64_t> ids) {
    const std::vector<Segment> all = segments_.snapshot();
    for (const std::uint64_t id : ids) {
      const auto found = std::ranges::find(all, id, &Segment::id);
      if (found == all.end() || found->active || segments_.must_stay(id)) {
        return fail(ErrorCode::kInvalidArgument,
                    fmt::format("segment {:x} cannot be rewritten", id));
      }
      inputs_.push_back(*found);
    }
    if (inputs_.empty()) {
      return fail(ErrorCode::kInvalidArgument, "no segment to rewrite");
    }
    std::ranges::sort(inputs_, {}, [](const Segment& segment) { return seq_span(segment).first; });
    covers_ = {.first = seq_span(inputs_.front()).first, .last = 0};
    for (const Segment& input : inputs_) {
      compress_ = compress_ || input.compressed;  // Else the output could be the larger one.
      covers_.last = std::max(covers_.last, seq_span(input).last);
      hlc_floor_ = std::max(hlc_floor_, input.hlc_floor);
      // One without a record may have no place in the chain.
      if (input.last_seq != 0 && input.newest_part.id > newest_part_.id) {
        newest_part_ = input.newest_part;
      }
    }
    if (covers_.first == 0 || covers_.last < covers_.first) {
      return fail(ErrorCode::kInvalidArgument, "no record to rewrite");
    }
    for (const Segment& other : all) {
      const SeqRange range = seq_span(other);
      const bool overlaps =
          range.last >= range.first && range.first <= covers_.last && range.last >= covers_.first;
      if (overlaps && std::ranges::find(ids, other.id) == ids.end()) {
        return fail(
            ErrorCode::kInvalidArgument,
            fmt::format("segments to rewrite are not adjacent: {} lies between", other.path));
      }
    }
    return {};
  }

  Status flush() {
    if (group_.record_count() == 0) {
      return {};
    }
    const std::uint64_t offset = writer_->offset();
    if (!writer_->has_room(group_.bytes(), group_.values().size())) {
      TRY(writer_->grow(writer_->capacity_with(group_.bytes(), group_.values().size())));
    }
    TRY(writer_->append(group_, kGroupSynced));
    if (writer_->offset() - writer_->durable_offset() >= kRewriteSyncStepBytes) {
      TRY(writer_->sync());
    }
    output_->values.reserve(output_->values.size() + group_.values().size());
    for (ValueLocation value : group_.values()) {
      value.offset += offset;
      output_->value_bytes += value.value_bytes;
      output_->values.push_back(value);
    }
    add_group_location(output_->groups, {.first_seq = group_.first_seq(), .offset = offset});
    output_->first_seq = output_->first_seq == 0 ? group_.first_seq() : output_->first_seq;
    output_->last_seq = group_.last_seq();
    group_.clear();
    return {};
  }

  Status copy_from(const Segment& input, const std::function<bool(const RecordView&)>& keep) {
    const std::optional<ReadSpan> span = segments_.whole_span(input.id);
    if (!span) {
      return fail(ErrorCode::kNotFound, input.path + " was removed");
    }
    TRY_ASSIGN(const std::shared_ptr<io::File> file, segments_.file_of(input));
    std::uint64_t values = 0;
    TRY(visit_records(*file, *span, ValueMode::kRead, [&](const ReadRecord& record) -> Status {
      values += record.view.value_in_log ? 1 : 0;
      if (record.view.seq < next_seq_ || !keep(record.view)) {
        return {};
      }
      if (!record.value_readable) {
        return fail(ErrorCode::kCorruption,
                    fmt::format("value of seq {} in {} is damaged", record.view.seq, input.path));
      }
      next_seq_ = record.view.seq + 1;
      group_.add(record.view);
      digest_ = add_to_digest(digest_, record.view);
      ++records_;
      return group_.bytes() >= kRewriteGroupBytes ? flush() : Status{};
    }));
    // A record that is unreadable by now may be the only name of a value that is not.
    if (values != input.values.size()) {
      return fail(ErrorCode::kCorruption, fmt::format("{} has only {} of {} large values",
                                                      input.path, values, input.values.size()));
    }
    return {};
  }

  Status write_output(const std::function<bool(const RecordView&)>& keep) {
    output_ = std::make_shared<Segment>();
    group_ = GroupBuilder(compress_ ? &compressor_ : nullptr, layout_);
    group_.clear();
    for (const Segment& input : inputs_) {
      TRY(copy_from(input, keep));
    }
    TRY(flush());
    TRY(writer_->write_header({.first_seq = covers_.first,
                               .predecessor = layout_.is_encrypted() ? newest_part_ : Predecessor{},
                               .hlc_floor = hlc_floor_,
                               .store_uuid = options_.store_uuid,
                               .covers = covers_,
                               .rewritten = true,
                               .compressed = compress_}));
    TRY(writer_->sync());
    return writer_->seal(false, pool_.next_id());
  }

  /// Reads every byte back: the inputs go only when the output is as good as they are.
  Status verify_output() {
    TRY_ASSIGN(const SegmentScan scan,
               scan_segment(writer_->file(),
                            {.name = writer_->path(), .id = writer_->id(), .keys = options_.keys}));
    if (!scan.sealed || scan.is_damaged() || scan.records != records_ ||
        scan.values != output_->values) {
      return fail(ErrorCode::kCorruption, writer_->path() + " does not read back as written");
    }
    return compare_records();
  }

  /// The checksums of chunks hold for what the compressor made of them; this one holds for the
  /// records as they came in.
  Status compare_records() {
    std::uint32_t digest = 0;
    SegmentReader reader(writer_->file(), writer_->access(), writer_->offset());
    for (std::uint64_t offset = kSegmentHeaderBytes; offset < writer_->offset();) {
      TRY_ASSIGN(const Frame frame, reader.frame_at(offset));
      if (frame.kind != FrameKind::kGroup) {
        break;
      }
      TRY_ASSIGN(const bool intact,
                 reader.read_group(frame, ValueMode::kSkip, [&digest](const ReadRecord& record) {
                   digest = add_to_digest(digest, record.view);
                   return Status{};
                 }));
      if (!intact) {
        break;
      }
      offset = frame.end;
    }
    if (digest != digest_) {
      return fail(ErrorCode::kCorruption, writer_->path() + " does not hold what was put into it");
    }
    return {};
  }

  Status replace_inputs() {
    output_->id = writer_->id();
    output_->path = writer_->path();
    output_->access = writer_->access();
    output_->rewritten = true;
    output_->compressed = compress_;
    output_->covers = covers_;
    output_->newest_part = newest_part_;
    output_->lowest_seq = covers_.first;
    output_->last_written_seq = covers_.last;
    output_->valid_end = writer_->offset();
    output_->file_bytes = writer_->file_bytes();
    output_->hlc_floor = hlc_floor_;
    std::vector<std::uint64_t> ids;
    ids.reserve(inputs_.size());
    for (const Segment& input : inputs_) {
      ids.push_back(input.id);
    }
    segments_.replace(ids, output_);
    for (const Segment& input : inputs_) {
      TRY(files_.remove(input.path));  // Recovery removes what is left of them.
    }
    return files_.sync_directory(options_.directory);
  }

  const LogOptions& options_;
  io::FileSystem& files_;
  SegmentPool& pool_;
  SegmentSet& segments_;
  const FrameLayout layout_;
  std::vector<Segment> inputs_;  // Copies, by seq.
  SeqRange covers_;
  Predecessor newest_part_;
  Hlc hlc_floor_ = 0;
  std::unique_ptr<SegmentWriter> writer_;
  std::shared_ptr<Segment> output_;  // Goes to the readers.
  bool compress_;
  ChunkCompressor compressor_;
  GroupBuilder group_;
  Seq next_seq_ = 0;
  std::uint64_t records_ = 0;
  std::uint32_t digest_ = 0;  // Over all kept records.
};

}  // namespace

Result<std::uint64_t> rewrite_segments_into_one(
    const LogOptions& options, SegmentPool& pool, SegmentSet& segments,
    std::span<const std::uint64_t> ids, const std::function<bool(const RecordView&)>& keep) {
  return Rewrite(options, pool, segments).run(ids, keep);
}

}  // namespace pluresdb::wal
