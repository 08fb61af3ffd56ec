// What the tests of re-encryption share: an encrypted store whose master key was replaced, and what
// somebody who kept the old one can open.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "engine/core/store_identity.h"
#include "engine/crypto/keyring.h"
#include "engine/crypto/master_keys.h"
#include "engine/crypto/sealed_file.h"
#include "engine/io/file_system.h"
#include "engine/store/file_renewal.h"
#include "engine/tests/core_memory_disk.h"
#include "engine/tests/core_test_util.h"
#include "engine/wal/sealed_segments.h"
#include <pluresdb/engine.h>
#include <pluresdb/error.h>
#include <pluresdb/keyring.h>
#include <pluresdb/options.h>
#include <pluresdb/reencrypt.h>

namespace pluresdb::testing {

inline constexpr const char* kKeyStore = "/store";
inline constexpr std::int64_t kKeyTime = 1'700'000'000'000'000;

inline StoreSecret key_named(char letter) {
  std::array<std::byte, 32> key{};
  key.fill(static_cast<std::byte>(letter));
  auto secret = StoreSecret::device_key(key);
  EXPECT_TRUE(secret.has_value()) << text_of(secret);
  return *std::move(secret);
}

inline EngineOptions options_with_key(io::FileSystem& files, const StoreSecret& secret) {
  EngineOptions options = small_options(&files);
  options.secret = &secret;
  return options;
}

inline ReencryptOptions without_rate() {
  ReencryptOptions options;
  options.bytes_per_second = 0;
  return options;
}

inline crypto::Keyring unlocked(io::FileSystem& files, const StoreSecret& secret,
                                crypto::Keyring::Access access) {
  auto keyring = crypto::Keyring::unlock({.files = files, .directory = kKeyStore},
                                         secret.readings().front(), access);
  EXPECT_TRUE(keyring.has_value()) << text_of(keyring);
  return *std::move(keyring);
}

/// Small and large documents, overwritten, deleted and kept ones, several segments and tables; the
/// end is behind the last checkpoint.
inline void fill_for_keys(Engine& engine, Model& model, int rounds, int first_version = 0) {
  for (int round = 0; round < rounds; ++round) {
    for (int i = 0; i < 8; ++i) {
      const std::string id = fmt::format("doc{}", (i * 3 + round) % 13);
      const auto version = static_cast<std::uint64_t>(first_version + round * 100 + i);
      if (i == 7) {
        ASSERT_TRUE(engine.erase("agent", id).has_value());
        model[id] = std::nullopt;
        continue;
      }
      const std::string json = json_of(version, i % 3 == 0 ? 12'000 : 80);
      ASSERT_TRUE(engine.put("agent", id, json).has_value());
      model[id] = json;
    }
    for (int i = 0; i < 2; ++i) {
      const std::string id = fmt::format("kept{}", 2 * round + i + first_version);
      model[id] = json_of(static_cast<std::uint64_t>(i), 16'000);
      ASSERT_TRUE(engine.put("agent", id, *model[id]).has_value());
    }
    if (round + 1 < rounds) {
      ASSERT_TRUE(engine.checkpoint().has_value());
    }
  }
}

/// Healthy, and with what it must hold; null: it does not open.
inline std::unique_ptr<Engine> opened_whole(io::FileSystem& files, const StoreSecret& key,
                                            const Model& model) {
  auto engine = open_engine(kKeyStore, options_with_key(files, key));
  if (engine != nullptr) {
    EXPECT_TRUE(engine->recovery().wal.is_healthy());
    EXPECT_FALSE(engine->recovery().wal_lost);
    expect_model(*engine, model);
  }
  return engine;
}

/// Both copies of the keyring, as somebody has kept them.
using KeptKeyring = std::map<std::string, std::vector<std::byte>>;
inline KeptKeyring kept_keyring(io::FileSystem& files) {
  KeptKeyring kept;
  for (const char* name : {"/store/keyring", "/store/keyring.bak"}) {
    kept[name] = *io::read_whole_file(files, name, 1 << 20);
  }
  return kept;
}
inline void put_back(io::FileSystem& files, const KeptKeyring& kept) {
  for (const auto& [path, bytes] : kept) {
    ASSERT_TRUE(io::write_file_atomically(files, path, bytes).has_value()) << path;
  }
}

/// A store of the slots 'a' and 'b'; then 'b' was revoked, and what 'b' has kept of before.
struct RevokedStore {
  MemoryDisk disk;
  Model model;
  KeptKeyring kept;
  MemoryDisk elsewhere;  ///< Where the kept keyring is opened.
  std::optional<crypto::Keyring> old_keyring;

  explicit RevokedStore(bool clean_end = true, int rounds = 3) {
    const StoreSecret a = key_named('a');
    const StoreSecret b = key_named('b');
    {
      const auto engine = open_engine(kKeyStore, options_with_key(disk, a));
      fill_for_keys(*engine, model, rounds);
      if (clean_end) {
        EXPECT_TRUE(engine->close().has_value());
      }
    }
    disk.restart();
    crypto::Keyring keyring = unlocked(disk, a, crypto::Keyring::Access::kOwner);
    const auto slot = keyring.add_slot(b.readings().front(), "lost laptop", kKeyTime);
    EXPECT_TRUE(slot.has_value()) << text_of(slot);
    kept = kept_keyring(disk);
    const Status revoked = keyring.revoke(*slot, std::span(&a.readings().front(), 1), kKeyTime + 1);
    EXPECT_TRUE(revoked.has_value()) << text_of(revoked);
    EXPECT_TRUE(elsewhere.create_directory(kKeyStore).has_value());
    put_back(elsewhere, kept);
    old_keyring.emplace(unlocked(elsewhere, b, crypto::Keyring::Access::kReadOnly));
  }

  /// Paths of files of `files` that the keys from before the revocation open.
  [[nodiscard]] std::vector<std::string> opened_by_old_keys(io::FileSystem& files) const {
    const crypto::MasterKeys& keys = old_keyring->master_keys();
    std::vector<std::string> opened;
    for (const auto& found : {wal::sealed_segments(files, "/store/wal", keys),
                              store::sealed_files(files, "/store/base", keys),
                              wal::sealed_quarantine(files, "/store/quarantine", keys)}) {
      EXPECT_TRUE(found.has_value()) << text_of(found);
      for (const crypto::SealedFile& file : *found) {
        if (file.generation != 0) {
          opened.push_back(file.path);
        }
      }
    }
    const auto store_file = core::read_identity_copies(files, kKeyStore, &keys);
    if (store_file && store_file->record) {
      opened.emplace_back("/store/STORE");
    }
    return opened;
  }
};

inline std::size_t old_generations(io::FileSystem& files) {
  const auto status = crypto::examine_keyring({.files = files, .directory = kKeyStore});
  EXPECT_TRUE(status.has_value()) << text_of(status);
  return status ? status->old_generations.size() : 99;
}

}  // namespace pluresdb::testing
