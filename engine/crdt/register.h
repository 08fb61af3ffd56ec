// Last-writer-wins register of one document: the greatest stamp wins, a delete is a write too.
#pragma once

#include <utility>

#include <pluresdb/document.h>

namespace pluresdb::crdt {

enum class Decision {
  kIncomingWins,
  kCurrentWins,
  kSameWrite,  ///< Delivered again: nothing changes.
  kDotReused,  ///< One dot, two writes: two writers share an actor name, or bytes are damaged.
};

/// Which of two writes to one document stands. Never a tie between different writes: a dot is
/// unique.
inline Decision decide(const Stamp& current, const Stamp& incoming) {
  if (current.actor == incoming.actor && current.actor_seq == incoming.actor_seq) {
    return current.hlc == incoming.hlc ? Decision::kSameWrite : Decision::kDotReused;
  }
  return incoming > current ? Decision::kIncomingWins : Decision::kCurrentWins;
}

/// A value with the stamp that wrote it. `Value` tells a tombstone from a live document by itself.
/// The default-constructed register (stamp of zeros) loses against every write.
template <typename Value>
struct Register {
  Stamp stamp;
  Value value{};

  /// Join: commutative, associative and idempotent over registers whose dots are unique.
  Decision merge(Register incoming) {
    const Decision decision = decide(stamp, incoming.stamp);
    if (decision == Decision::kIncomingWins) {
      *this = std::move(incoming);
    }
    return decision;
  }
  friend bool operator==(const Register&, const Register&) = default;
};

}  // namespace pluresdb::crdt
