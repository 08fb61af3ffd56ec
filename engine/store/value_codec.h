// Keys and values of the base store as bytes. Format: docs/formats/store.md.
//
// RocksDB's block checksums protect the bytes; the decoder still trusts no length, because a store
// may be damaged or made by somebody else.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/store/base_store.h"
#include <pluresdb/error.h>

namespace pluresdb::store {

/// Version of the whole base store: it stands in the meta record, which every checkpoint writes.
inline constexpr std::uint32_t kBaseFormatVersion = 2;

/// The one key of the meta record; it sorts before every document.
std::string_view meta_key();
/// Key of a document, or of the first one at or behind `id`.
std::string document_key(std::string_view id);
/// The id in a document's key; nullopt when `key` is none.
std::optional<std::string_view> document_id(std::string_view key);

/// Appends nothing to what `out` held: replaces it. The actor has at most kActorBytesMax bytes.
void encode_value(const BaseValue& value, std::string& out);
/// kCorruption, kUnsupportedVersion.
Status decode_value(std::string_view bytes, BaseValue& value);

/// The version that a meta record says it has; 0: it is cut off.
std::uint32_t meta_version(std::string_view bytes);
/// Version 1 without a store uuid.
std::string encode_meta(const CheckpointMeta& meta);
/// kCorruption, kUnsupportedVersion.
Result<CheckpointMeta> decode_meta(std::string_view bytes);
/// kBaseLost: `meta`, read in the directory of `options`, is of another store.
Status check_owner(const BaseStoreOptions& options, const CheckpointMeta& meta);

}  // namespace pluresdb::store
