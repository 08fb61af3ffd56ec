// Reading an open log: replay, single large values, checking everything again.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "engine/crypto/master_keys.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_reader.h"
#include "engine/wal/segment_set.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/stats.h>

namespace pluresdb::wal {

/// See Log::replay, Log::read_value, Log::visit_large_values. Thread: any.
Status replay_segments(SegmentSet& segments, Seq from, bool with_values,
                       const std::function<Status(const RecordView&)>& visit);
Result<std::string> read_large_value(SegmentSet& segments, Seq seq, std::uint64_t value_bytes,
                                     std::uint32_t crc);
Status visit_large_values_of(
    SegmentSet& segments, std::uint64_t segment_id,
    const std::function<Status(Seq, std::string_view, std::uint64_t)>& visit);
/// Scans every segment again, the active one up to its last finished group, and adds what is found
/// to `report`. `keys`: LogOptions::keys.
Status validate_segments(SegmentSet& segments, const crypto::MasterKeys* keys,
                         ValidationReport& report);

/// Visits every readable record between the offsets of one segment, in file order.
Status visit_records(io::File& file, const ReadSpan& span, ValueMode mode,
                     const RecordVisitor& visit);
/// The same with a reader of the caller's, which reads up to the span's valid end.
Status visit_records(SegmentReader& reader, const ReadSpan& span, ValueMode mode,
                     const RecordVisitor& visit);

}  // namespace pluresdb::wal
