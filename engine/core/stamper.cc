#include "engine/core/stamper.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string_view>
#include <utility>

#include "engine/crdt/hybrid_clock.h"
#include "engine/crdt/version_vector.h"
#include "engine/wal/log.h"
#include <pluresdb/document.h>

namespace pluresdb::core {

void Stamper::restore(Hlc floor, crdt::VersionVector issued, std::uint64_t actor_seq_floor) {
  hybrid_clock_.raise_floor(floor);
  issued_ = std::move(issued);
  actor_seq_floor_ = actor_seq_floor;
}

wal::RecordStamp Stamper::stamp(std::string_view actor) {
  const crdt::ClockReading now{.wall_us = clock_->wall_us(),
                               .monotonic_ns = clock_->monotonic_ns()};
  wal::RecordStamp stamp;
  stamp.timestamp_us = now.wall_us;
  stamp.hlc = hybrid_clock_.next(now);
  stamp.actor_seq = std::max(issued_.get(actor), actor_seq_floor_) + 1;
  issued_.advance(actor, stamp.actor_seq);
  if (hybrid_clock_.forward_jumps_held() > jumps_reported_.load()) {
    jumps_reported_.store(hybrid_clock_.forward_jumps_held());
    (void)std::fprintf(stderr,
                       "pluresdb: warning: the wall clock jumped ahead by more than %lld s; stamps "
                       "follow the monotonic clock until it is right again\n",
                       static_cast<long long>(crdt::kHlcDriftMsMax / 1000));
  }
  return stamp;
}

void Stamper::unstamp(std::span<const wal::RecordView> records) {
  for (const wal::RecordView& record : records) {
    issued_.set(record.actor, std::min(issued_.get(record.actor), record.actor_seq - 1));
  }
}

}  // namespace pluresdb::core
