#include "engine/wal/segment_removal.h"

#include <algorithm>
#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "engine/io/file_system.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_set.h"
#include <pluresdb/error.h>

namespace pluresdb::wal {

Result<std::uint64_t> remove_segments_of(const LogOptions& options, SegmentSet& segments,
                                         std::span<const std::uint64_t> segment_ids) {
  std::vector<Segment> wanted = segments.snapshot();
  std::erase_if(wanted, [segment_ids](const Segment& segment) {
    return std::ranges::find(segment_ids, segment.id) == segment_ids.end();
  });
  std::ranges::sort(wanted, {}, [](const Segment& segment) { return seq_span(segment).first; });
  std::uint64_t removed = 0;
  Status outcome;
  for (const Segment& candidate : wanted) {
    const std::shared_ptr<Segment> segment = segments.find(candidate.id);
    if (segments.must_stay(candidate.id)) {
      continue;
    }
    segments.replace(std::span(&candidate.id, 1), nullptr);
    outcome = options.files->remove(candidate.path);
    if (!outcome && outcome.error().code != ErrorCode::kNotFound) {
      segments.add(segment);
      break;
    }
    outcome = {};
    ++removed;
    // One by one: unlinks that persist out of order would leave a hole in a log that has no base
    // store to say what may be gone.
    TRY(options.files->sync_directory(options.directory));
  }
  TRY(std::move(outcome));
  return removed;
}

}  // namespace pluresdb::wal
