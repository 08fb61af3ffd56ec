// Goal: what an encrypted store keeps shows in none of its files, it opens with its secret and with
// nothing else, and whatever does not fit together is refused before anything is changed. What the
// bytes of each kind of file withstand: wal_tampering_test, store_sealed_test, crypto_keyring_test.
// The other tests of the engine run on encrypted stores, too: core.cmake.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "engine/base/bytes.h"
#include "engine/core/store_identity.h"
#include "engine/crypto/keyring.h"
#include "engine/io/file_system.h"
#include "engine/tests/core_memory_disk.h"
#include "engine/tests/core_test_util.h"
#include <pluresdb/document.h>
#include <pluresdb/engine.h>
#include <pluresdb/error.h>
#include <pluresdb/keyring.h>
#include <pluresdb/options.h>
#include <pluresdb/rebuild.h>
#include <pluresdb/write_ahead_log.h>

namespace pluresdb::testing {
namespace {

constexpr const char* kStore = "/store";
constexpr std::size_t kKeyBytes = 32;

StoreSecret key_of(char letter) {
  std::array<std::byte, kKeyBytes> key{};
  key.fill(static_cast<std::byte>(letter));
  auto secret = StoreSecret::device_key(key);
  EXPECT_TRUE(secret.has_value()) << text_of(secret);
  return *std::move(secret);
}

EngineOptions options_with(MemoryDisk& disk, const StoreSecret* secret) {
  EngineOptions options = small_options(&disk);
  options.secret = secret;
  return options;
}

/// Every file below `directory`, by path.
using Files = std::map<std::string, std::vector<std::byte>>;
void collect(io::FileSystem& disk, const std::string& directory, Files& files) {
  const auto names = disk.list(directory);
  ASSERT_TRUE(names.has_value()) << text_of(names);
  for (const std::string& name : *names) {
    const std::string path = io::join_path(directory, name);
    const auto info = disk.info(path);
    ASSERT_TRUE(info.has_value()) << text_of(info);
    if (info->kind == io::FileKind::kDirectory) {
      collect(disk, path, files);
    } else {
      files[path] = *io::read_whole_file(disk, path, 1ULL << 30);
    }
  }
}
Files files_of(io::FileSystem& disk, const std::string& directory = kStore) {
  Files files;
  collect(disk, directory, files);
  return files;
}
void put_file(io::FileSystem& disk, const std::string& path, base::ByteSpan bytes) {
  ASSERT_TRUE(io::write_file_atomically(disk, path, bytes).has_value()) << path;
}
void put_files(io::FileSystem& disk, const Files& files, const std::string& below) {
  for (const auto& [path, bytes] : files) {
    if (path.starts_with(below)) {
      put_file(disk, path, bytes);
    }
  }
}

constexpr std::string_view kMarker = "canary-7f3a";

/// Small and large documents, deletes, two actors, the marker in every one of them; checkpoints
/// that remove, rewrite and compress segments.
void fill(Engine& engine, Model& model, int rounds = 4) {
  for (int round = 0; round < rounds; ++round) {
    for (int i = 0; i < 24; ++i) {
      const std::string id = fmt::format("{}/doc{}", kMarker, (i * 5 + round) % 31);
      const std::string actor = fmt::format("{}-actor{}", kMarker, i % 2);
      if (i % 8 == 7) {
        ASSERT_TRUE(engine.erase(actor, id).has_value());
        model[id] = std::nullopt;
        continue;
      }
      std::string json =
          json_of(static_cast<std::uint64_t>(round * 100 + i), i % 4 == 0 ? 9000 : 60);
      json.insert(json.size() - 2, kMarker);
      ASSERT_TRUE(engine.put(actor, id, json).has_value());
      model[id] = json;
    }
    ASSERT_TRUE(engine.checkpoint().has_value());
  }
  EXPECT_GT(engine.stats().segments_deleted + engine.stats().segments_rewritten, 0U);
}

Model make_store(MemoryDisk& disk, const StoreSecret* secret, int rounds = 4) {
  Model model;
  const auto engine = open_engine(kStore, options_with(disk, secret));
  fill(*engine, model, rounds);
  // Some behind the last checkpoint, and an unclean end.
  EXPECT_TRUE(engine->put("late", std::string(kMarker) + "/late", json_of(1)).has_value());
  model[std::string(kMarker) + "/late"] = json_of(1);
  return model;
}

bool is_marked(const Files& files) {
  return std::ranges::any_of(files, [](const auto& file) {
    return file.first.find(kMarker) != std::string::npos ||
           base::as_text(file.second).find(kMarker) != std::string_view::npos;
  });
}

/// Refused with `code`, and no file has changed, but for the lock's label.
void expect_refused(MemoryDisk& disk, const StoreSecret* secret, ErrorCode code) {
  Files before = files_of(disk);
  const auto engine = Engine::open_with_recovery(kStore, options_with(disk, secret));
  ASSERT_FALSE(engine.has_value());
  EXPECT_EQ(engine.error().code, code) << text_of(engine);
  EXPECT_NE(engine.error().context.find(kStore), std::string::npos) << text_of(engine);
  Files after = files_of(disk);
  before.erase("/store/LOCK");
  after.erase("/store/LOCK");
  EXPECT_EQ(before, after);
}

TEST(EncryptedStore, NothingThatWasPutInShowsInItsFiles) {
  const StoreSecret secret = key_of('k');
  MemoryDisk disk;
  Model model = make_store(disk, &secret);
  EXPECT_FALSE(is_marked(files_of(disk)));
  // Quarantined bytes are what the file held.
  for (const auto& [path, bytes] : files_of(disk)) {
    if (path.starts_with("/store/wal/") && bytes.size() > 20'000) {
      disk.flip_byte(path, 12'000);
    }
  }
  {
    const auto engine = open_engine(kStore, options_with(disk, &secret));
    ASSERT_NE(engine, nullptr);
    EXPECT_GT(engine->recovery().quarantined_bytes, 0U);
    ASSERT_TRUE(engine->close().has_value());
  }
  EXPECT_FALSE(is_marked(files_of(disk)));

  MemoryDisk plain;  // The marker would be seen.
  make_store(plain, nullptr);
  EXPECT_TRUE(is_marked(files_of(plain)));
}

TEST(EncryptedStore, OpensWithItsSecretOnly) {
  const StoreSecret secret = key_of('k');
  const StoreSecret other = key_of('x');
  MemoryDisk disk;
  const Model model = make_store(disk, &secret);
  expect_refused(disk, nullptr, ErrorCode::kKeyUnavailable);
  expect_refused(disk, &other, ErrorCode::kKeyUnavailable);
  const auto engine = open_engine(kStore, options_with(disk, &secret));
  ASSERT_NE(engine, nullptr);
  EXPECT_TRUE(engine->recovery().wal.is_healthy());
  expect_model(*engine, model);
}

TEST(EncryptedStore, AStoreThatIsPlainOpensWithoutASecretOnly) {
  const StoreSecret secret = key_of('k');
  MemoryDisk disk;
  const Model model = make_store(disk, nullptr);
  expect_refused(disk, &secret, ErrorCode::kKeyUnavailable);
  const auto engine = open_engine(kStore, options_with(disk, nullptr));
  ASSERT_NE(engine, nullptr);
  expect_model(*engine, model);
}

// Also where there is no log yet, or no base store to read: no part of it is taken for plain.
TEST(EncryptedStore, WithoutItsKeyringItDoesNotOpen) {
  const StoreSecret secret = key_of('k');
  for (const int rounds : {0, 4}) {
    for (const bool removes_base : {false, true}) {
      MemoryDisk disk;
      if (rounds == 0) {
        ASSERT_TRUE(open_engine(kStore, options_with(disk, &secret))->close().has_value());
      } else {
        make_store(disk, &secret, rounds);
      }
      disk.destroy("/store/keyring");
      disk.destroy("/store/keyring.bak");
      if (removes_base) {
        disk.destroy("/store/base");
      }
      SCOPED_TRACE(fmt::format("{} rounds, removes base {}", rounds, removes_base));
      expect_refused(disk, &secret, ErrorCode::kKeyUnavailable);
      expect_refused(disk, nullptr, ErrorCode::kKeyUnavailable);
    }
  }
}

TEST(EncryptedStore, OneCopyOfItsKeyringIsEnough) {
  const StoreSecret secret = key_of('k');
  for (const char* copy : {"/store/keyring", "/store/keyring.bak"}) {
    MemoryDisk disk;
    const Model model = make_store(disk, &secret);
    disk.destroy(copy);
    expect_refused(disk, nullptr, ErrorCode::kKeyUnavailable);
    const auto engine = open_engine(kStore, options_with(disk, &secret));
    ASSERT_NE(engine, nullptr) << copy;
    expect_model(*engine, model);
    EXPECT_TRUE(disk.info(copy).has_value()) << "it is made again";
  }
}

TEST(EncryptedStore, AKeyringThatIsThereFirstIsUsed) {
  const StoreSecret secret = key_of('k');
  const StoreSecret other = key_of('x');
  MemoryDisk disk;
  ASSERT_TRUE(disk.create_directory(kStore).has_value());
  crypto::StoreId id{};
  id.fill(std::byte{9});
  ASSERT_TRUE(crypto::Keyring::create({.files = disk, .directory = kStore}, id,
                                      secret.readings().front(), "laptop", 1)
                  .has_value());
  expect_refused(disk, nullptr, ErrorCode::kKeyUnavailable);
  expect_refused(disk, &other, ErrorCode::kKeyUnavailable);
  ASSERT_NE(open_engine(kStore, options_with(disk, &secret)), nullptr);
  const auto keyring =
      crypto::Keyring::unlock({.files = disk, .directory = kStore}, secret.readings().front(),
                              crypto::Keyring::Access::kReadOnly);
  ASSERT_TRUE(keyring.has_value()) << text_of(keyring);
  EXPECT_EQ(core::StoreIdentity::load(disk, kStore, &keyring->master_keys())->record().store_uuid,
            id);
}

/// Two stores with one secret.
struct TwoStores {
  StoreSecret secret = key_of('k');
  std::array<MemoryDisk, 2> disks;
  std::array<Files, 2> files;
  TwoStores() {
    for (std::size_t i = 0; i < disks.size(); ++i) {
      make_store(disks.at(i), &secret, 4 + static_cast<int>(i));
      files.at(i) = files_of(disks.at(i));
    }
  }
};

TEST(EncryptedStore, PartsOfAnotherStoreWithTheSameSecretAreRefused) {
  TwoStores two;
  for (const std::string part : {"keyring", "STORE", "base", "wal"}) {
    SCOPED_TRACE(part);
    const auto disk = two.disks[0].clone();
    if (part == "base" || part == "wal") {
      disk->destroy("/store/" + part);
      ASSERT_TRUE(disk->create_directory("/store/" + part).has_value());
    }
    put_files(*disk, two.files[1], "/store/" + part);
    const auto engine = Engine::open_with_recovery(kStore, options_with(*disk, &two.secret));
    ASSERT_FALSE(engine.has_value());
    EXPECT_TRUE(engine.error().code == ErrorCode::kCorruption ||
                engine.error().code == ErrorCode::kBaseLost)
        << text_of(engine);
  }
}

crypto::Keyring owned_keyring(MemoryDisk& disk, const StoreSecret& secret) {
  auto keyring =
      crypto::Keyring::unlock({.files = disk, .directory = kStore}, secret.readings().front(),
                              crypto::Keyring::Access::kOwner);
  EXPECT_TRUE(keyring.has_value()) << text_of(keyring);
  return *std::move(keyring);
}

TEST(EncryptedStore, WhatStoreSaysIsAuthenticated) {
  const StoreSecret secret = key_of('k');
  MemoryDisk disk;
  make_store(disk, &secret);
  const std::string path = "/store/STORE";
  const auto contents = *io::read_whole_file(disk, path, 1ULL << 20);
  // The record of one who has no key, under a right checksum: the log would reach back to seq 1.
  MemoryDisk forger;
  core::IdentityRecord record =
      core::StoreIdentity::load(
          disk, kStore,
          &crypto::Keyring::unlock({.files = disk, .directory = kStore}, secret.readings().front(),
                                   crypto::Keyring::Access::kReadOnly)
               ->master_keys())
          ->record();
  EXPECT_GT(record.compacted_through_seq, 0U);
  record.compacted_through_seq = 0;
  ASSERT_TRUE(core::StoreIdentity::prepare(forger, "/", record).has_value());
  put_file(disk, path, *io::read_whole_file(forger, "/STORE.tmp", 1ULL << 20));
  expect_refused(disk, &secret, ErrorCode::kCorruption);
  // Each bit of what it says.
  constexpr std::size_t kSaidBytes = 120;
  constexpr std::size_t kSecondSlot = 4096;
  for (std::size_t at = 0; at < kSaidBytes; ++at) {
    auto changed = contents;
    changed[at] ^= std::byte{1};
    changed[kSecondSlot + at] ^= std::byte{1};
    put_file(disk, path, changed);
    const auto engine = Engine::open_with_recovery(kStore, options_with(disk, &secret));
    ASSERT_FALSE(engine.has_value()) << "byte " << at;
  }
  // Of one slot alone: the other one stands in.
  for (const std::size_t slot : {std::size_t{0}, kSecondSlot}) {
    for (std::size_t at = 0; at < kSaidBytes; ++at) {
      auto changed = contents;
      changed[slot + at] ^= std::byte{0x40};
      put_file(disk, path, changed);
      const auto copy = disk.clone();
      ASSERT_NE(open_engine(kStore, options_with(*copy, &secret)), nullptr) << slot << "+" << at;
    }
  }
  // One slot in the other's place is none.
  auto copied = contents;
  std::copy_n(contents.begin(), kSaidBytes, copied.begin() + kSecondSlot);
  put_file(disk, path, copied);
  EXPECT_EQ(
      core::read_identity_copies(disk, kStore, &owned_keyring(disk, secret).master_keys())->damaged,
      1);
  put_file(disk, path, contents);
  EXPECT_NE(open_engine(kStore, options_with(disk, &secret)), nullptr);
}

TEST(EncryptedStore, AfterARotationOldAndNewFilesAreRead) {
  const StoreSecret secret = key_of('k');
  MemoryDisk disk;
  Model model = make_store(disk, &secret);
  for (int rotation = 0; rotation < 3; ++rotation) {
    ASSERT_TRUE(owned_keyring(disk, secret).rotate(secret.readings()).has_value());
    const auto engine = open_engine(kStore, options_with(disk, &secret));
    ASSERT_NE(engine, nullptr);
    expect_model(*engine, model);
    const std::string id = fmt::format("rotation{}", rotation);
    ASSERT_TRUE(engine->put("a", id, json_of(1, 5000)).has_value());
    model[id] = json_of(1, 5000);
    ASSERT_TRUE(engine->checkpoint().has_value());
    expect_model(*engine, model);
  }
}

TEST(EncryptedStore, AKeyringFromBeforeIsRefusedOnceAFileIsNewer) {
  const StoreSecret secret = key_of('k');
  MemoryDisk disk;
  Model model = make_store(disk, &secret);
  const Files before = files_of(disk);
  ASSERT_TRUE(owned_keyring(disk, secret).rotate(secret.readings()).has_value());
  {
    const auto engine = open_engine(kStore, options_with(disk, &secret));
    ASSERT_TRUE(engine->put("a", "new", "1").has_value());
  }
  put_files(disk, before, "/store/keyring");
  expect_refused(disk, &secret, ErrorCode::kKeyUnavailable);
}

// A changed secret makes no new generation: only the seq tells.
TEST(EncryptedStore, AKeyringFromBeforeAChangeOfSecretIsRefusedOnceAFileIsNewer) {
  const StoreSecret secret = key_of('k');
  const StoreSecret other = key_of('x');
  MemoryDisk disk;
  make_store(disk, &secret);
  const Files before = files_of(disk);
  {
    crypto::Keyring keyring = owned_keyring(disk, secret);
    ASSERT_TRUE(keyring.change_secret(keyring.opened_by(), other.readings().front()).has_value());
  }
  {
    const auto engine = open_engine(kStore, options_with(disk, &other));
    ASSERT_TRUE(engine->put("a", "new", "1").has_value());
  }
  expect_refused(disk, &secret, ErrorCode::kKeyUnavailable);
  put_files(disk, before, "/store/keyring");
  expect_refused(disk, &secret, ErrorCode::kKeyUnavailable);
}

TEST(EncryptedStore, AChangeInALogIsReportedAsTampering) {
  const StoreSecret secret = key_of('k');
  MemoryDisk disk;
  make_store(disk, &secret);
  Files files = files_of(disk);
  std::vector<std::string> segments;
  for (const auto& [path, bytes] : files) {
    if (path.starts_with("/store/wal/")) {
      segments.push_back(path);
    }
  }
  ASSERT_GT(segments.size(), 1U);
  // One segment in another's place.
  put_file(disk, segments[1], files.at(segments[0]));
  const auto engine = Engine::open_with_recovery(kStore, options_with(disk, &secret));
  ASSERT_TRUE(engine.has_value()) << text_of(engine);
  EXPECT_GT((*engine)->recovery().wal.tampered_places, 0U);
  EXPECT_FALSE((*engine)->recovery().wal.is_healthy());
}

/// A copy of the store goes on; its newest segment is put back beside what the store itself has
/// written since.
TEST(EncryptedStore, ASegmentOfAnotherHistoryDoesNotCount) {
  const StoreSecret secret = key_of('k');
  MemoryDisk disk;
  Model model = make_store(disk, &secret);
  const auto write = [&secret](MemoryDisk& on, const std::string& id, std::uint64_t seed) {
    const auto engine = open_engine(kStore, options_with(on, &secret));
    for (int i = 0; i < 5; ++i) {
      EXPECT_TRUE(engine->put("actor", id, json_of(seed + static_cast<std::uint64_t>(i), 3000)));
    }
  };
  const auto copy = disk.clone();
  write(*copy, "both", 100);
  write(*copy, "copy", 200);
  Files old = files_of(*copy, "/store/wal");
  std::erase_if(old, [&disk](const auto& file) { return disk.info(file.first).has_value(); });
  ASSERT_GE(old.size(), 2U);
  // Their names stay free, as those of spares that a crash has left.
  for (const auto& [path, bytes] : old) {
    const std::string id(io::base_name(path).substr(0, 16));
    put_file(disk, "/store/wal/spare-" + id + ".tmp", {});
  }
  write(disk, "both", 300);
  write(disk, "later", 400);
  model["both"] = json_of(304, 3000);
  model["later"] = json_of(404, 3000);
  model["copy"] = std::nullopt;
  put_files(disk, old, "/store/wal");
  for (int round = 0; round < 2; ++round) {
    const auto engine = open_engine(kStore, options_with(disk, &secret));
    ASSERT_NE(engine, nullptr);
    expect_model(*engine, model);
    EXPECT_EQ(engine->recovery().wal.tampered_places, old.size());
    for (const auto& [path, bytes] : old) {
      EXPECT_TRUE(std::ranges::any_of(engine->recovery().wal.problems,
                                      [&path](const std::string& problem) {
                                        return problem.starts_with(path + ": a segment of this");
                                      }))
          << path;
    }
    ASSERT_TRUE(engine->put("actor", fmt::format("behind{}", round), "{}").has_value());
    model[fmt::format("behind{}", round)] = "{}";
    ASSERT_TRUE(engine->checkpoint().has_value());
  }
  for (const auto& [path, bytes] : old) {
    EXPECT_TRUE(files_of(disk).at(path) == bytes) << path << " stays";
  }
}

TEST(EncryptedLog, IsNotMadeWhereItsSegmentsAreGone) {
  const StoreSecret secret = key_of('k');
  MemoryDisk disk;
  EngineOptions options = options_with(disk, &secret);
  {
    auto log = WriteAheadLog::open("/log", options);
    ASSERT_TRUE(log.has_value()) << text_of(log);
    ASSERT_TRUE((*log)->append("a", Put{.id = "doc", .json = "{}"}));
  }
  for (const auto& [path, bytes] : files_of(disk, "/log")) {
    if (path.ends_with(".wal")) {
      disk.destroy(path);
    }
  }
  options.create_if_missing = false;
  Files before = files_of(disk, "/log");
  const auto refused = WriteAheadLog::open("/log", options);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kNotFound) << text_of(refused);
  Files after = files_of(disk, "/log");
  before.erase("/log/LOCK");
  after.erase("/log/LOCK");
  EXPECT_EQ(before, after);
  options.create_if_missing = true;
  EXPECT_TRUE(WriteAheadLog::open("/log", options).has_value());
}

TEST(EncryptedLog, UsedAlone) {
  const StoreSecret secret = key_of('k');
  const StoreSecret other = key_of('x');
  MemoryDisk disk;
  const auto open = [&disk](const StoreSecret* with) {
    return WriteAheadLog::open("/log", options_with(disk, with));
  };
  for (int round = 0; round < 3; ++round) {
    auto log = open(&secret);
    ASSERT_TRUE(log.has_value()) << text_of(log);
    ASSERT_TRUE((*log)->append("a", Put{.id = std::string(kMarker), .json = json_of(1, 3000)}));
    EXPECT_EQ((*log)->read_all()->size(), static_cast<std::size_t>(round) + 1);
  }
  EXPECT_FALSE(is_marked(files_of(disk, "/log")));
  EXPECT_EQ(open(nullptr).error().code, ErrorCode::kKeyUnavailable);
  EXPECT_EQ(open(&other).error().code, ErrorCode::kKeyUnavailable);
  disk.destroy("/log/keyring");
  disk.destroy("/log/keyring.bak");
  EXPECT_EQ(open(nullptr).error().code, ErrorCode::kKeyUnavailable);
  EXPECT_EQ(open(&secret).error().code, ErrorCode::kKeyUnavailable);
}

/// A store is made again with another secret, or none, into another directory.
void expect_rebuilt(MemoryDisk& disk, const StoreSecret* from, const StoreSecret* to,
                    const std::string& output, const Model& model) {
  RebuildOptions options;
  options.engine = options_with(disk, to);
  options.source_secret = from;
  if (from != nullptr && to == nullptr) {
    const auto unasked = rebuild_from_wal("/store/wal", output, options);
    ASSERT_FALSE(unasked.has_value());
    EXPECT_EQ(unasked.error().code, ErrorCode::kInvalidArgument);
    options.allow_decryption = true;
  }
  const auto stats = rebuild_from_wal("/store/wal", output, options);
  ASSERT_TRUE(stats.has_value()) << text_of(stats);
  EXPECT_TRUE(stats->is_complete);
  EXPECT_GT(stats->large_values, 0U);
  EXPECT_EQ(is_marked(files_of(disk, output)), to == nullptr);
  const auto engine = open_engine(output, options_with(disk, to));
  ASSERT_NE(engine, nullptr);
  EXPECT_TRUE(engine->recovery().wal.is_healthy());
  expect_model(*engine, model);
}

TEST(EncryptedStore, IsMadeOfAPlainOneAndBack) {
  const StoreSecret secret = key_of('k');
  const StoreSecret other = key_of('x');
  for (const StoreSecret* from : {static_cast<const StoreSecret*>(nullptr), &secret}) {
    MemoryDisk disk;
    const Model model = make_store(disk, from);
    expect_rebuilt(disk, from, &other, "/encrypted", model);
    expect_rebuilt(disk, from, nullptr, "/plain", model);
    RebuildOptions wrong;
    wrong.engine = options_with(disk, nullptr);
    wrong.source_secret = from == nullptr ? &secret : &other;
    wrong.allow_decryption = true;
    const auto refused = rebuild_from_wal("/store/wal", "/never", wrong);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, ErrorCode::kKeyUnavailable);
    EXPECT_FALSE(disk.info("/never").has_value());
  }
}

TEST(EncryptedStore, OfADamagedOneTheRestIsMadeAgain) {
  constexpr std::size_t kValueBytes = 4000;
  const StoreSecret secret = key_of('k');
  MemoryDisk disk;
  {
    const auto engine = open_engine(kStore, options_with(disk, &secret));
    for (const std::string id : {"good", "bad", "fine"}) {
      ASSERT_TRUE(engine->put("a", id, json_of(1, kValueBytes)).has_value());
    }
    ASSERT_TRUE(engine->put("a", "last", "3").has_value());
    ASSERT_TRUE(engine->close().has_value());
  }
  // Behind the segment header one group each, hardly larger than its value.
  disk.flip_byte("/store/wal/0000000000000001.wal", 4096 + kValueBytes + kValueBytes / 2);
  RebuildOptions options;
  options.engine = options_with(disk, &secret);
  options.source_secret = &secret;
  const auto stats = rebuild_from_wal("/store/wal", "/made", options);
  ASSERT_TRUE(stats.has_value()) << text_of(stats);
  EXPECT_FALSE(stats->is_complete);
  EXPECT_EQ(stats->unreadable_documents, 1U);
  const auto engine = open_engine("/made", options.engine);
  ASSERT_NE(engine, nullptr);
  EXPECT_EQ(engine->get("bad").error().code, ErrorCode::kCorruption);
  EXPECT_EQ((*engine->get("good"))->json, json_of(1, kValueBytes));
  EXPECT_EQ((*engine->get("fine"))->json, json_of(1, kValueBytes));
}

TEST(StoreSecretTest, WhatIsNoSecretIsRefused) {
  EXPECT_EQ(StoreSecret::password("").error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(StoreSecret::password(std::string(1025, 'p')).error().code,
            ErrorCode::kInvalidArgument);
  EXPECT_TRUE(StoreSecret::password(std::string(1024, 'p')).has_value());
  const std::array<std::byte, kKeyBytes - 1> short_key{};
  EXPECT_EQ(StoreSecret::device_key(short_key).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(StoreSecret::recovery_key(short_key).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(StoreSecret::of_text("").error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(StoreSecret::of_text("letmein")->readings().size(), 1U);
  EXPECT_EQ(StoreSecret::of_text(std::string(64, 'a'))->readings().size(), 3U);
  EXPECT_EQ(StoreSecret::of_file("/nowhere/key").error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace pluresdb::testing
