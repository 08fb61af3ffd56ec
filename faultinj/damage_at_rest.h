// Damage of data at rest: what a disk does to bytes that were synced long ago.
//
// The contract of the engine does not cover it: bytes may be lost. Never may the loss be silent.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <pluresdb/error.h>

namespace faultinj {

enum class DamageKind {
  kBitFlip,           ///< One bit is another.
  kMisdirectedWrite,  ///< A block that was meant for another place, valid there, stands here.
  /// Bits are others, and the CRC-32C of any range that holds all of them is the same: what
  /// somebody does who has no key and knows the format. The polynomial of a CRC divides it.
  kTampering,
};

/// What was done. A misdirected write copied `bytes` from `source`.
struct DamageDone {
  std::string file{};  ///< Below the store's directory.
  std::uint64_t offset = 0, bytes = 0;
  std::string source{};
  std::uint64_t source_offset = 0;
};

/// Damages one place, chosen by `seed`, of the files that `point` means (of damageable_points()) in
/// `store_directory`:
///   wal/segment/*    a log segment that is not one of the two newest: those may end in a write
///                    that was never acknowledged, and its damage would be taken for that
///   base/sst/*       a table that has a number: the one that a checkpoint still writes has none
///   base/manifest/*  the newest manifest: older ones mean nothing
///   base/current/*   CURRENT
/// Places are in blocks of 4 KiB that are not all zero, each as likely as any other. What a
/// misdirected write brings comes from the same folder. Nobody may have the store open. Nothing:
/// there is no such file yet. kIo, kInvalidArgument.
pluresdb::Result<std::optional<DamageDone>> damage_at_rest(const std::string& store_directory,
                                                           std::string_view point, DamageKind kind,
                                                           std::uint64_t seed);

}  // namespace faultinj
