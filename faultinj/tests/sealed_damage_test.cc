// Goal: damage hits one place of a sealed segment, leaves a record of it, and is repeatable.
#include "faultinj/sealed_damage.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "faultinj/tests/test_directory.h"
#include <pluresdb/error.h>

namespace faultinj {
namespace {

namespace fs = std::filesystem;
using Contents = std::map<std::string, std::string>;

constexpr std::size_t kBlock = 4096;

/// Five segments of five blocks, the last two blocks of each preallocated; a sixth, empty.
class SealedDamageTest : public testing::Test {
 protected:
  SealedDamageTest() {
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
    std::ofstream(store() / "wal" / (name + ".wal"), std::ios::binary) << bytes;
  }
  [[nodiscard]] Contents contents() const {
    Contents all;
    for (const fs::directory_entry& entry : fs::directory_iterator(store() / "wal")) {
      std::ifstream file(entry.path(), std::ios::binary);
      all["wal/" + entry.path().filename().string()] =
          std::string(std::istreambuf_iterator<char>(file), {});
    }
    return all;
  }
  /// What a call changed: one file, or none.
  std::optional<DamageDone> damage(SealedDamage kind, std::uint64_t seed) {
    auto done = damage_sealed_segment(store().string(), kind, seed);
    EXPECT_TRUE(done.has_value());
    return done.has_value() ? *done : std::nullopt;
  }

  TestDirectory folder_;
};

TEST_F(SealedDamageTest, ABitFlipChangesOneBitOfASealedSegment) {
  std::set<std::string> hit;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    const Contents before = contents();
    const auto done = damage(SealedDamage::kBitFlip, seed);
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

TEST_F(SealedDamageTest, AMisdirectedWriteCopiesABlockOfAnotherPlace) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Contents before = contents();
    const auto done = damage(SealedDamage::kMisdirectedWrite, seed);
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

TEST_F(SealedDamageTest, TheSameSeedDamagesTheSamePlace) {
  const Contents before = contents();
  damage(SealedDamage::kBitFlip, 7);
  const Contents first = contents();
  for (const auto& [name, bytes] : before) {
    std::ofstream(store() / name, std::ios::binary) << bytes;
  }
  damage(SealedDamage::kBitFlip, 7);
  EXPECT_EQ(contents(), first);
}

TEST_F(SealedDamageTest, WithoutASealedSegmentNothingIsDone) {
  for (const char* name : {"1", "2", "3", "4"}) {
    fs::remove(store() / "wal" / (std::string(name) + ".wal"));
  }
  const Contents before = contents();
  EXPECT_EQ(damage(SealedDamage::kBitFlip, 1), std::nullopt);
  EXPECT_EQ(damage(SealedDamage::kMisdirectedWrite, 1), std::nullopt);
  EXPECT_EQ(contents(), before);
}

TEST_F(SealedDamageTest, AStoreWithoutALogIsAnError) {
  const auto done = damage_sealed_segment((store() / "absent").string(), SealedDamage::kBitFlip, 1);
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().code, pluresdb::ErrorCode::kIo);
}

}  // namespace
}  // namespace faultinj
