// What the tests of the base store share: a model, a source of documents, a directory of its own.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <utility>

#include "engine/base/bytes.h"
#include "engine/crypto/master_keys.h"
#include "engine/crypto/secret_bytes.h"
#include "engine/store/base_store.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>

namespace pluresdb::store {

using Documents = std::map<std::string, BaseValue>;

/// What a base store holds: the documents of all checkpoints, and the last meta.
struct Model {
  Documents documents;
  CheckpointMeta meta;
  friend bool operator==(const Model&, const Model&) = default;

  void apply(const Documents& changes, const CheckpointMeta& checkpoint) {
    for (const auto& [id, value] : changes) {
      documents[id] = value;
    }
    meta = checkpoint;
  }
};

class MapSource final : public CheckpointSource {
 public:
  explicit MapSource(const Documents& documents)
      : next_(documents.begin()), end_(documents.end()) {}
  bool next(std::string& id, BaseValue& value) override {
    if (next_ == end_) {
      return false;
    }
    id = next_->first;
    value = next_->second;
    ++next_;
    return true;
  }

 private:
  Documents::const_iterator next_;
  Documents::const_iterator end_;
};

inline Status ingest(BaseStore& store, const Documents& documents, const CheckpointMeta& meta) {
  MapSource source(documents);
  return store.ingest(source, meta);
}

/// Everything a store gives away by scanning, and its meta.
inline Result<Model> read_all(BaseStore& store) {
  Model model;
  TRY_ASSIGN(model.meta, store.meta());
  TRY_ASSIGN(const auto cursor, store.cursor(""));
  std::string id;
  BaseValue value;
  while (true) {
    TRY_ASSIGN(const bool found, cursor->next(id, value));
    if (!found) {
      return model;
    }
    if (!model.documents.emplace(id, value).second) {
      return fail(ErrorCode::kCorruption, "id seen twice: " + id);
    }
  }
}

inline BaseValue inline_value(Seq seq, std::string json) {
  return {.kind = ValueKind::kInline,
          .stamp = {.hlc = (seq << 16U) + 7, .actor = "agent", .actor_seq = seq},
          .seq = seq,
          .json = std::move(json)};
}
inline BaseValue tombstone(Seq seq) {
  return {.kind = ValueKind::kTombstone,
          .stamp = {.hlc = (seq << 16U) + 7, .actor = "agent", .actor_seq = seq},
          .seq = seq};
}

/// Ids and texts of `count` documents of 4000 bytes that no compressor makes smaller.
inline Documents incompressible_documents(std::uint64_t seed, std::size_t count) {
  constexpr std::size_t kTextBytes = 4000;
  std::mt19937_64 random(seed);
  Documents documents;
  for (Seq seq = 1; seq <= count; ++seq) {
    std::string text(kTextBytes, ' ');
    std::ranges::generate(text, [&random] { return static_cast<char>(random()); });
    documents["document " + std::to_string(seq)] = inline_value(seq, text);
  }
  return documents;
}

/// Master keys of generations 1 .. newest, the same for the same key and generation.
inline crypto::MasterKeys test_keys(unsigned char store = 1, crypto::Generation newest = 1,
                                    std::uint64_t seq = 1) {
  crypto::StoreId id{};
  id.fill(std::byte{store});
  std::map<crypto::Generation, crypto::SecretBytes> keys;
  for (crypto::Generation generation = 1; generation <= newest; ++generation) {
    const std::string text = "master key of generation " + std::to_string(1'000'000 + generation);
    auto key = crypto::SecretBytes::copy_of(base::as_bytes(text));
    if (!key) {
      std::abort();  // Nothing to go on with.
    }
    keys.emplace(generation, *std::move(key));
  }
  return {id, seq, std::move(keys)};
}

/// For tests that run with and without encryption. Lives as long as the process.
inline const crypto::MasterKeys* keys_if(bool sealed) {
  static const crypto::MasterKeys keys = test_keys();
  return sealed ? &keys : nullptr;
}

/// Checkpoint `number` of a test: `count` documents among few ids, the third one deleted.
inline std::pair<Documents, CheckpointMeta> make_checkpoint(Seq number, std::size_t count,
                                                            std::size_t payload_bytes = 40) {
  Documents documents;
  const Seq first_seq = number * 100;
  for (std::size_t index = 0; index < count; ++index) {
    const Seq seq = first_seq + index;
    const std::string id = "document " + std::to_string((number * 7 + index * 3) % (count * 2));
    documents[id] = index % 3 == 2 ? tombstone(seq)
                                   : inline_value(seq, "\"" + std::string(payload_bytes, 'x') +
                                                           std::to_string(seq) + "\"");
  }
  CheckpointMeta meta;
  meta.checkpoint_seq = first_seq + count;
  meta.previous_checkpoint_seq = number == 1 ? 0 : first_seq - 100 + count;
  meta.hlc_floor = meta.checkpoint_seq << 16U;
  meta.tombstones = number;
  meta.version_vector = {{"agent", meta.checkpoint_seq}, {"other", number}};
  return {std::move(documents), std::move(meta)};
}

}  // namespace pluresdb::store
