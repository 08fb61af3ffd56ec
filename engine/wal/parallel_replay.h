// Replay by several threads: the log is cut into pieces at known groups, each piece is decoded by
// one thread, and the pieces are handed on window by window in the order of their seqs.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/base/worker_team.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_reader.h"
#include "engine/wal/segment_set.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>

namespace pluresdb::wal {

/// A piece of this size is read at once and its records are used where they were read.
inline constexpr std::uint64_t kReplayPieceBytes = kReadWindowBytes;

/// See Log::replay_windows. `piece_bytes`: kReplayPieceBytes, but for tests.
Status replay_segments_in_parallel(SegmentSet& segments, Seq from, std::uint64_t piece_bytes,
                                   base::WorkerTeam& team, ReplaySink& sink);
std::size_t replay_slots_of(const base::WorkerTeam& team);

}  // namespace pluresdb::wal
