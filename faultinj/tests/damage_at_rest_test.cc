// Goal: damage hits one place of the files that are meant, leaves a record of it, and is
// repeatable.
#include "faultinj/damage_at_rest.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "faultinj/tests/test_directory.h"
#include <pluresdb/error.h>

namespace faultinj {
namespace {

namespace fs = std::filesystem;
using Contents = std::map<std::string, std::string>;

constexpr std::size_t kBlock = 4096;

/// Five segments of five blocks, the last two blocks of each preallocated; a sixth, empty.
class DamageAtRestTest : public testing::Test {
 protected:
  DamageAtRestTest() {
    fs::create_directories(store() / "wal");
    for (char name = '1'; name <= '5'; ++name) {
      std::string bytes;
      for (int block = 0; block < 3; ++block) {
        bytes += std::string(kBlock, static_cast<char>(name * 3 + block));
      }
      write(std::string(1, name), bytes + std::string(2 * kBlock, '\0'));
    }
    write("6", "");
  }
  [[nodiscard]] fs::path store() const { return fs::path(folder_.path()); }
  void write(const std::string& name, const std::string& bytes) const {
    write_file("wal/" + name + ".wal", bytes);
  }
  void write_file(const std::string& path, const std::string& bytes) const {
    std::ofstream(store() / path, std::ios::binary) << bytes;
  }
  [[nodiscard]] Contents contents() const {
    Contents all;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(store())) {
      if (entry.is_regular_file()) {
        std::ifstream file(entry.path(), std::ios::binary);
        all[entry.path().lexically_relative(store()).string()] =
            std::string(std::istreambuf_iterator<char>(file), {});
      }
    }
    return all;
  }
  /// Two tables of one and of nine blocks, a checkpoint that was not finished, and their registry.
  void make_base() const {
    fs::create_directory(store() / "base");
    write_file("base/000004.sst", std::string(kBlock, 'a'));
    std::string large;
    for (char block = 'b'; block <= 'j'; ++block) {
      large += std::string(kBlock, block);
    }
    write_file("base/000009.sst", large);
    write_file("base/ingest.sst", std::string(kBlock, 'k'));
    write_file("base/MANIFEST-000005", std::string(kBlock, 'l'));
    write_file("base/MANIFEST-000010", std::string(100, 'm'));
    write_file("base/OPTIONS-000007", std::string(kBlock, 'n'));
    write_file("base/CURRENT", "MANIFEST-000010\n");
  }
  /// What a call changed: one file, or none.
  std::optional<DamageDone> damage(DamageKind kind, std::uint64_t seed,
                                   std::string_view point = "wal/segment/*") {
    auto done = damage_at_rest(store().string(), point, kind, seed);
    EXPECT_TRUE(done.has_value());
    return done.has_value() ? *done : std::nullopt;
  }

  TestDirectory folder_;
};

TEST_F(DamageAtRestTest, ABitFlipChangesOneBitOfASealedSegment) {
  std::set<std::string> hit;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    const Contents before = contents();
    const auto done = damage(DamageKind::kBitFlip, seed);
    ASSERT_TRUE(done.has_value());
    Contents expected = before;
    const Contents after = contents();
    const auto was = static_cast<unsigned char>(before.at(done->file).at(done->offset));
    const auto is = static_cast<unsigned char>(after.at(done->file).at(done->offset));
    EXPECT_EQ(__builtin_popcount(static_cast<unsigned>(was ^ is)), 1);
    expected.at(done->file).at(done->offset) = static_cast<char>(is);
    EXPECT_EQ(after, expected) << "nothing else";
    EXPECT_LT(done->offset, 3 * kBlock) << "where something was written";
    hit.insert(done->file);
  }
  // The two newest may end in a write that nobody acknowledged.
  EXPECT_EQ(hit, (std::set<std::string>{"wal/1.wal", "wal/2.wal", "wal/3.wal", "wal/4.wal"}));
}

TEST_F(DamageAtRestTest, AMisdirectedWriteCopiesABlockOfAnotherPlace) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Contents before = contents();
    const auto done = damage(DamageKind::kMisdirectedWrite, seed);
    ASSERT_TRUE(done.has_value());
    ASSERT_EQ(done->bytes, kBlock);
    const std::string source =
        before.at("wal/" + done->source).substr(done->source_offset, done->bytes);
    Contents expected = before;
    EXPECT_NE(expected.at(done->file).substr(done->offset, done->bytes), source);
    expected.at(done->file).replace(done->offset, done->bytes, source);
    EXPECT_EQ(contents(), expected);
  }
}

TEST_F(DamageAtRestTest, TamperingChangesBitsAndNoChecksum) {
  const auto checksum = [](std::string_view bytes) {
    return pluresdb::base::crc32c(pluresdb::base::as_bytes(bytes));
  };
  std::set<std::size_t> changed_bytes;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    const Contents before = contents();
    const auto done = damage(DamageKind::kTampering, seed);
    ASSERT_TRUE(done.has_value());
    Contents expected = before;
    const std::string& was = before.at(done->file);
    const std::string is = contents().at(done->file);
    ASSERT_NE(was, is);
    changed_bytes.insert(static_cast<std::size_t>(
        std::ranges::mismatch(was.rbegin(), was.rend(), is.rbegin(), is.rend()).in1.base() -
        std::ranges::mismatch(was, is).in1));
    // Of the place itself, and of what is around it.
    EXPECT_EQ(checksum(std::string_view(was).substr(done->offset, done->bytes)),
              checksum(std::string_view(is).substr(done->offset, done->bytes)));
    EXPECT_EQ(checksum(was), checksum(is));
    expected.at(done->file)
        .replace(done->offset, done->bytes, is.substr(done->offset, done->bytes));
    EXPECT_EQ(contents(), expected) << "nothing else";
    EXPECT_LE(done->offset + done->bytes, 3 * kBlock) << "where something was written";
  }
  EXPECT_EQ(changed_bytes, (std::set<std::size_t>{5})) << "33 bits, by chance in five bytes";
}

TEST_F(DamageAtRestTest, OfTheBaseStoreOnlyTheFilesThatAreMeantAreHit) {
  make_base();
  const std::map<std::string, std::set<std::string>> expected = {
      {"base/sst/*", {"base/000004.sst", "base/000009.sst"}},
      {"base/manifest/*", {"base/MANIFEST-000010"}},
      {"base/current/*", {"base/CURRENT"}}};
  for (const auto& [point, files] : expected) {
    for (const DamageKind kind : {DamageKind::kBitFlip, DamageKind::kMisdirectedWrite}) {
      std::map<std::string, int> hit;
      for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        const Contents before = contents();
        const auto done = damage(kind, seed, point);
        ASSERT_TRUE(done.has_value()) << point << " " << seed;
        Contents after = contents();
        ASSERT_NE(after, before);
        ASSERT_EQ(after.at(done->file).size(), before.at(done->file).size()) << "as long as it was";
        ASSERT_EQ(done->source.empty(), kind == DamageKind::kBitFlip);
        after.at(done->file)
            .replace(done->offset, done->bytes,
                     before.at(done->file).substr(done->offset, done->bytes));
        ASSERT_EQ(after, before) << "nothing else";
        ++hit[done->file];
        write_file(done->file, before.at(done->file));
      }
      std::set<std::string> names;
      for (const auto& [name, count] : hit) {
        names.insert(name);
      }
      EXPECT_EQ(names, files);
      // A block of a large table is as likely as one of a small one.
      EXPECT_TRUE(point != "base/sst/*" ||
                  hit.at("base/000009.sst") > 4 * hit.at("base/000004.sst"));
    }
  }
}

TEST_F(DamageAtRestTest, WhatCannotBeDamagedIsRefused) {
  make_base();
  const Contents before = contents();
  for (const char* point : {"base/options/*", "base/sst/read", "base/*", "*", ""}) {
    const auto done = damage_at_rest(store().string(), point, DamageKind::kBitFlip, 1);
    ASSERT_FALSE(done.has_value()) << point;
    EXPECT_EQ(done.error().code, pluresdb::ErrorCode::kInvalidArgument);
  }
  EXPECT_EQ(contents(), before);
}

TEST_F(DamageAtRestTest, TheSameSeedDamagesTheSamePlace) {
  const Contents before = contents();
  damage(DamageKind::kBitFlip, 7);
  const Contents first = contents();
  for (const auto& [name, bytes] : before) {
    std::ofstream(store() / name, std::ios::binary) << bytes;
  }
  damage(DamageKind::kBitFlip, 7);
  EXPECT_EQ(contents(), first);
}

TEST_F(DamageAtRestTest, WithoutASealedSegmentNothingIsDone) {
  for (const char* name : {"1", "2", "3", "4"}) {
    fs::remove(store() / "wal" / (std::string(name) + ".wal"));
  }
  const Contents before = contents();
  EXPECT_EQ(damage(DamageKind::kBitFlip, 1), std::nullopt);
  EXPECT_EQ(damage(DamageKind::kMisdirectedWrite, 1), std::nullopt);
  EXPECT_EQ(contents(), before);
}

TEST_F(DamageAtRestTest, AStoreWithoutALogIsAnError) {
  const auto done =
      damage_at_rest((store() / "absent").string(), "wal/segment/*", DamageKind::kBitFlip, 1);
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().code, pluresdb::ErrorCode::kIo);
}

}  // namespace
}  // namespace faultinj
