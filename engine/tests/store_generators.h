// RapidCheck generators of the base store's records.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <rapidcheck.h>

#include "engine/store/base_store.h"
#include <pluresdb/document.h>

namespace pluresdb::store {

inline std::string any_bytes(std::size_t size_min, std::size_t size_max) {
  const auto size = *rc::gen::inRange<std::size_t>(size_min, size_max + 1);
  return *rc::gen::container<std::string>(size, rc::gen::arbitrary<char>());
}

/// Lengths at the edges of the one byte that holds them, above all.
inline std::string any_actor() {
  const auto size = *rc::gen::element<std::size_t>(0, 1, 3, kActorBytesMax - 1, kActorBytesMax);
  return any_bytes(size, size);
}

inline BaseValue any_value() {
  BaseValue value;
  value.kind = *rc::gen::element(ValueKind::kInline, ValueKind::kInLog, ValueKind::kTombstone);
  value.stamp = {.hlc = *rc::gen::arbitrary<Hlc>(),
                 .actor = any_actor(),
                 .actor_seq = *rc::gen::arbitrary<std::uint64_t>()};
  value.seq = *rc::gen::arbitrary<Seq>();
  if (value.kind == ValueKind::kInline) {
    value.json = any_bytes(0, 50);
  } else if (value.kind == ValueKind::kInLog) {
    value.value_bytes = *rc::gen::arbitrary<std::uint64_t>();
    value.value_crc = *rc::gen::arbitrary<std::uint32_t>();
  }
  return value;
}

inline CheckpointMeta any_meta(Seq previous) {
  CheckpointMeta meta;
  meta.previous_checkpoint_seq = previous;
  meta.checkpoint_seq = previous + *rc::gen::inRange<Seq>(0, 1000);
  meta.hlc_floor = *rc::gen::arbitrary<Hlc>();
  meta.tombstones = *rc::gen::arbitrary<std::uint64_t>();
  const auto actors = *rc::gen::inRange(0, 5);
  for (int index = 0; index < actors; ++index) {
    meta.version_vector[any_bytes(1, 4)] = *rc::gen::arbitrary<std::uint64_t>();
  }
  return meta;
}

}  // namespace pluresdb::store
