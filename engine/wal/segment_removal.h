// Removes segments that nobody needs any more.
#pragma once

#include <cstdint>
#include <span>

#include "engine/wal/log.h"
#include "engine/wal/segment_set.h"
#include <pluresdb/error.h>

namespace pluresdb::wal {

/// See Log::remove_segments. One at a time, and no rewrite at the same time; appends go on.
Result<std::uint64_t> remove_segments_of(const LogOptions& options, SegmentSet& segments,
                                         std::span<const std::uint64_t> segment_ids);

}  // namespace pluresdb::wal
