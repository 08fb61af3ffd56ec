// Goal: a document or checkpoint of the base store is decoded as it was encoded or refused; there
// is one encoding of each. Method: values of any fields, and any bytes. docs/formats/store.md.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/fuzz/driver/target.h"
#include "engine/fuzz/support.h"
#include "engine/fuzz/targets.h"
#include "engine/store/base_store.h"
#include "engine/store/value_codec.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>

namespace pluresdb::fuzz {
namespace {

bool says_why(const Error& error) {
  return error.code == ErrorCode::kCorruption || error.code == ErrorCode::kUnsupportedVersion;
}

void check_value_bytes(std::string_view bytes) {
  store::BaseValue value;
  const Status decoded = store::decode_value(bytes, value);
  if (!decoded) {
    must_hold(says_why(decoded.error()), "a document that is refused is damaged or too new");
    return;
  }
  std::string again;
  store::encode_value(value, again);
  must_hold(again == bytes, "a document has one encoding");
}

void check_meta_bytes(std::string_view bytes) {
  const auto meta = store::decode_meta(bytes);
  if (!meta) {
    must_hold(says_why(meta.error()), "a checkpoint that is refused is damaged or too new");
    return;
  }
  must_hold(meta->previous_checkpoint_seq <= meta->checkpoint_seq, "checkpoints do not go back");
  must_hold(store::encode_meta(*meta) == bytes, "a checkpoint has one encoding");
}

std::string text_of(Input& input, std::size_t bytes_max) {
  return std::string(base::as_text(input.take(input.pick(bytes_max + 1))));
}

void check_made_value(Input& input) {
  store::BaseValue value;
  value.kind = static_cast<store::ValueKind>(1 + input.pick(3));
  value.stamp = {
      .hlc = input.number(), .actor = text_of(input, kActorBytesMax), .actor_seq = input.number()};
  value.seq = input.number();
  if (value.kind == store::ValueKind::kInLog) {
    value.value_bytes = input.number();
    value.value_crc = input.read<std::uint32_t>();
  } else if (value.kind == store::ValueKind::kInline) {
    value.json = base::as_text(input.rest());
  }
  std::string bytes;
  store::encode_value(value, bytes);
  store::BaseValue again;
  must_hold(store::decode_value(bytes, again).has_value() && again == value,
            "a document is decoded as it was encoded");
  must_hold(!store::decode_value(std::string_view(bytes).substr(0, bytes.size() - 1), again) ||
                value.kind == store::ValueKind::kInline,
            "a document that was cut off is refused");
}

void check_made_meta(Input& input) {
  store::CheckpointMeta meta;
  meta.checkpoint_seq = input.number();
  meta.previous_checkpoint_seq = std::min<Seq>(meta.checkpoint_seq, input.number());
  meta.hlc_floor = input.number();
  meta.tombstones = input.number();
  meta.store_uuid.fill(input.read<std::byte>());
  for (std::size_t left = input.pick(8); left > 0; --left) {
    const std::string actor = text_of(input, kActorBytesMax);
    if (!actor.empty()) {
      meta.version_vector[actor] = input.number();
    }
  }
  const std::string bytes = store::encode_meta(meta);
  const auto again = store::decode_meta(bytes);
  must_hold(again && *again == meta, "a checkpoint is decoded as it was encoded");
  const auto cut_off = store::decode_meta(std::string_view(bytes).substr(0, bytes.size() - 1));
  must_hold(!cut_off, "a checkpoint that was cut off is refused");
  std::string changed = bytes;
  changed[input.read<std::uint16_t>() % changed.size()] = static_cast<char>(input.pick(256));
  check_meta_bytes(changed);
}

void run_base_value(fuzzing::ByteSpan data) {
  Input input(data);
  switch (input.pick(5)) {
    case 0:
      check_value_bytes(base::as_text(input.rest()));
      break;
    case 1:
      check_meta_bytes(base::as_text(input.rest()));
      break;
    case 2:
      check_made_value(input);
      break;
    case 3:
      check_made_meta(input);
      break;
    default: {
      const std::string_view key = base::as_text(input.rest());
      const auto id = store::document_id(key);
      must_hold(!id || store::document_key(*id) == key, "a key names one document");
      must_hold(!id || key != store::meta_key(), "a document is no checkpoint");
      break;
    }
  }
}

Bytes seed_of(int mode, std::string_view bytes) {
  return SeedBytes().add_each({mode}).add_text(bytes).bytes();
}

std::vector<Seed> base_value_seeds() {
  std::vector<Seed> seeds;
  store::BaseValue value{.kind = store::ValueKind::kInline,
                         .stamp = {.hlc = 5, .actor = "agent", .actor_seq = 6},
                         .seq = 7,
                         .json = R"({"a":1})"};
  std::string bytes;
  store::encode_value(value, bytes);
  seeds.push_back({.name = "seed-inline", .bytes = seed_of(0, bytes)});
  value.kind = store::ValueKind::kTombstone;
  store::encode_value(value, bytes);
  seeds.push_back({.name = "seed-tombstone", .bytes = seed_of(0, bytes)});
  value.kind = store::ValueKind::kInLog;
  value.value_bytes = 1U << 20;
  value.value_crc = 99;
  store::encode_value(value, bytes);
  seeds.push_back({.name = "seed-in-log", .bytes = seed_of(0, bytes)});
  store::CheckpointMeta meta{.checkpoint_seq = 9,
                             .previous_checkpoint_seq = 4,
                             .hlc_floor = 3,
                             .tombstones = 2,
                             .version_vector = {{"agent", 5}, {"other", 6}}};
  seeds.push_back({.name = "seed-meta-1", .bytes = seed_of(1, store::encode_meta(meta))});
  meta.store_uuid.fill(std::byte{7});
  seeds.push_back({.name = "seed-meta-2", .bytes = seed_of(1, store::encode_meta(meta))});
  seeds.push_back({.name = "seed-made-value",
                   .bytes = seed_of(2,
                                    "\x01\x05\x05"
                                    "agent\x06\x07{}")});
  seeds.push_back({.name = "seed-made-meta",
                   .bytes = seed_of(3,
                                    "\x09\x04\x03\x02\x07\x02\x01"
                                    "a\x05\x01"
                                    "b\x06")});
  seeds.push_back({.name = "seed-key", .bytes = seed_of(4, store::document_key("id"))});
  return seeds;
}

}  // namespace

fuzzing::Target base_value_target() {
  return {
      .name = "base_value", .run = run_base_value, .seeds = base_value_seeds, .mutations = 20000};
}

}  // namespace pluresdb::fuzz
