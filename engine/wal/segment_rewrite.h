// Rewriting (D7a): sealed segments -> one new file with the records that are still wanted.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "engine/wal/log.h"
#include "engine/wal/segment_pool.h"
#include "engine/wal/segment_set.h"
#include <pluresdb/error.h>

namespace pluresdb::wal {

/// See Log::rewrite_segments. One at a time, and no removal at the same time; appends go on.
Result<std::uint64_t> rewrite_segments_into_one(const LogOptions& options, SegmentPool& pool,
                                                SegmentSet& segments,
                                                std::span<const std::uint64_t> ids,
                                                const std::function<bool(const RecordView&)>& keep);

}  // namespace pluresdb::wal
