#include "engine/store/value_codec.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/core.h>

#include "engine/base/bytes.h"
#include "engine/base/check.h"
#include "engine/store/base_store.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>

namespace pluresdb::store {
namespace {

constexpr std::string_view kMetaKey("\x01meta", 5);
constexpr char kDocumentPrefix = '\x02';

constexpr std::uint8_t kValueVersion = 1;
/// version, kind, actor length, zero: 1 each; crc: 4; seq, hlc, actor_seq: 8 each.
constexpr std::size_t kValueHeaderBytes = 4 * 1 + 4 + 3 * 8;
/// An actor in the meta record: actor_seq, length, at least one byte of name.
constexpr std::size_t kMetaActorBytesMin = 8 + 1 + 1;

constexpr std::uint32_t kVersionWithoutStore = 1;
constexpr std::array<std::byte, 16> kNoStore{};

template <typename T>
void put(std::string& out, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}

std::unexpected<Error> damaged(const char* what) {
  return fail(ErrorCode::kCorruption, std::string("base store record: ") + what);
}

std::unexpected<Error> too_new(const char* what, std::uint32_t version, std::uint32_t known) {
  return fail(ErrorCode::kUnsupportedVersion,
              fmt::format("{} has format version {}; this program knows up to {}: use a newer one",
                          what, version, known));
}

}  // namespace

std::string_view meta_key() { return kMetaKey; }

std::string document_key(std::string_view id) {
  std::string key;
  key.reserve(1 + id.size());
  key += kDocumentPrefix;
  key += id;
  return key;
}

std::optional<std::string_view> document_id(std::string_view key) {
  if (key.empty() || key.front() != kDocumentPrefix) {
    return std::nullopt;
  }
  return key.substr(1);
}

void encode_value(const BaseValue& value, std::string& out) {
  DB_CHECK(value.stamp.actor.size() <= kActorBytesMax);
  const bool in_log = value.kind == ValueKind::kInLog;
  out.clear();
  out.reserve(kValueHeaderBytes + value.stamp.actor.size() + value.json.size() + 8);
  put(out, kValueVersion);
  put(out, std::to_underlying(value.kind));
  put(out, static_cast<std::uint8_t>(value.stamp.actor.size()));
  put(out, std::uint8_t{0});
  put(out, in_log ? value.value_crc : std::uint32_t{0});
  put(out, value.seq);
  put(out, value.stamp.hlc);
  put(out, value.stamp.actor_seq);
  out += value.stamp.actor;
  switch (value.kind) {
    case ValueKind::kInline:
      out += value.json;
      break;
    case ValueKind::kInLog:
      put(out, value.value_bytes);
      break;
    case ValueKind::kTombstone:
      break;
  }
}

Status decode_value(std::string_view bytes, BaseValue& value) {
  base::Reader reader(base::as_bytes(bytes));
  const auto version = reader.read<std::uint8_t>();
  const auto kind = reader.read<std::uint8_t>();
  const auto actor_bytes = reader.read<std::uint8_t>();
  const auto reserved = reader.read<std::uint8_t>();
  if (reader.ok() && version > kValueVersion) {
    return too_new("a document of the base store", version, kValueVersion);
  }
  value.value_crc = reader.read<std::uint32_t>();
  value.seq = reader.read<std::uint64_t>();
  value.stamp.hlc = reader.read<std::uint64_t>();
  value.stamp.actor_seq = reader.read<std::uint64_t>();
  value.stamp.actor.assign(base::as_text(reader.read_bytes(actor_bytes)));
  if (!reader.ok()) {
    return damaged("shorter than its header says");
  }
  if (version == 0 || reserved != 0) {
    return damaged("impossible header");
  }
  value.json.clear();
  value.value_bytes = 0;
  switch (kind) {
    case std::to_underlying(ValueKind::kInline):
      value.json.assign(base::as_text(reader.read_bytes(reader.remaining())));
      break;
    case std::to_underlying(ValueKind::kInLog):
      value.value_bytes = reader.read<std::uint64_t>();
      break;
    case std::to_underlying(ValueKind::kTombstone):
      break;
    default:
      return damaged("unknown kind");
  }
  value.kind = static_cast<ValueKind>(kind);
  if (!reader.ok() || reader.remaining() != 0) {
    return damaged("wrong length");
  }
  if (value.kind != ValueKind::kInLog && value.value_crc != 0) {
    return damaged("impossible header");
  }
  return {};
}

std::string encode_meta(const CheckpointMeta& meta) {
  DB_CHECK(meta.previous_checkpoint_seq <= meta.checkpoint_seq);  // INV-STORE-4
  std::string out;
  const bool names_store = meta.store_uuid != kNoStore;
  put(out, names_store ? kBaseFormatVersion : kVersionWithoutStore);
  put(out, static_cast<std::uint32_t>(meta.version_vector.size()));
  put(out, meta.checkpoint_seq);
  put(out, meta.previous_checkpoint_seq);
  put(out, meta.hlc_floor);
  put(out, meta.tombstones);
  if (names_store) {
    out += base::as_text(meta.store_uuid);
  }
  for (const auto& [actor, actor_seq] : meta.version_vector) {
    DB_CHECK(!actor.empty() && actor.size() <= kActorBytesMax);
    put(out, actor_seq);
    put(out, static_cast<std::uint8_t>(actor.size()));
    out += actor;
  }
  return out;
}

std::uint32_t meta_version(std::string_view bytes) {
  base::Reader reader(base::as_bytes(bytes));
  return reader.read<std::uint32_t>();
}

Result<CheckpointMeta> decode_meta(std::string_view bytes) {
  base::Reader reader(base::as_bytes(bytes));
  const auto version = reader.read<std::uint32_t>();
  if (reader.ok() && version > kBaseFormatVersion) {
    return too_new("the base store", version, kBaseFormatVersion);
  }
  const auto actor_count = reader.read<std::uint32_t>();
  CheckpointMeta meta;
  meta.checkpoint_seq = reader.read<std::uint64_t>();
  meta.previous_checkpoint_seq = reader.read<std::uint64_t>();
  meta.hlc_floor = reader.read<std::uint64_t>();
  meta.tombstones = reader.read<std::uint64_t>();
  if (version > kVersionWithoutStore) {
    std::ranges::copy(reader.read_bytes(meta.store_uuid.size()), meta.store_uuid.begin());
    if (reader.ok() && meta.store_uuid == kNoStore) {
      return damaged("a checkpoint of no store");
    }
  }
  if (!reader.ok() || version == 0 || actor_count > reader.remaining() / kMetaActorBytesMin) {
    return damaged("impossible header of the checkpoint");
  }
  if (meta.previous_checkpoint_seq > meta.checkpoint_seq) {
    return damaged("a checkpoint older than the one before it");
  }
  for (std::uint32_t index = 0; index < actor_count; ++index) {
    const auto actor_seq = reader.read<std::uint64_t>();
    const auto actor_bytes = reader.read<std::uint8_t>();
    std::string actor(base::as_text(reader.read_bytes(actor_bytes)));
    if (!reader.ok() || actor.empty()) {
      return damaged("shorter than its list of actors");
    }
    if (!meta.version_vector.empty() && actor <= meta.version_vector.rbegin()->first) {
      return damaged("actors out of order");
    }
    meta.version_vector.emplace_hint(meta.version_vector.end(), std::move(actor), actor_seq);
  }
  if (reader.remaining() != 0) {
    return damaged("longer than its list of actors");
  }
  return meta;
}

Status check_owner(const BaseStoreOptions& options, const CheckpointMeta& meta) {
  if (meta.store_uuid == options.store_uuid || meta.store_uuid == kNoStore ||
      options.store_uuid == kNoStore) {
    return {};
  }
  return fail(ErrorCode::kBaseLost, "base store " + options.directory +
                                        " belongs to another store; put back the one that was "
                                        "here, or restore the whole store from a backup");
}

}  // namespace pluresdb::store
