// The vocabulary of the log and the store: stamps, operations, entries, documents.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <variant>

namespace pluresdb {

/// Position in the write-ahead log. 0 means "none"; the first entry of a store has seq 1. Seqs grow
/// strictly; they are dense except for gaps that a segment header declares (docs/formats/wal.md).
using Seq = std::uint64_t;

/// Hybrid logical clock value: milliseconds since 1970 in the upper 48 bits, counter in the
/// lower 16.
using Hlc = std::uint64_t;

/// Total order of writes: by hlc, then actor, then actor_seq. (actor, actor_seq) is the dot.
struct Stamp {
  Hlc hlc = 0;
  std::string actor;
  std::uint64_t actor_seq = 0;

  friend auto operator<=>(const Stamp&, const Stamp&) = default;
};

/// Stores `json` (RFC 8259 text, kept byte for byte) under `id`.
struct Put {
  std::string id;
  std::string json;
  friend bool operator==(const Put&, const Put&) = default;
};
/// Removes `id`, leaving a tombstone.
struct Delete {
  std::string id;
  friend bool operator==(const Delete&, const Delete&) = default;
};
/// Records that everything before `before` was compacted.
struct Compact {
  Seq before = 0;
  friend bool operator==(const Compact&, const Compact&) = default;
};
/// Records that the base store holds everything up to `base_seq`.
struct Checkpoint {
  Seq base_seq = 0;
  friend bool operator==(const Checkpoint&, const Checkpoint&) = default;
};
using Operation = std::variant<Put, Delete, Compact, Checkpoint>;

/// One entry of the log.
struct Entry {
  Seq seq = 0;
  std::int64_t timestamp_us = 0;  ///< Wall clock when it was stamped, microseconds since 1970.
  Stamp stamp;
  Operation operation;
  friend bool operator==(const Entry&, const Entry&) = default;
};

/// One live document as read from the store.
struct Document {
  std::string id;
  std::string json;
  Stamp stamp;
  Seq seq = 0;
};

inline constexpr std::size_t kActorBytesMax = 255;
inline constexpr std::size_t kDocumentIdBytesMax = 4096;

}  // namespace pluresdb
