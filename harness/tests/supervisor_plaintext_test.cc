// Goal: what lies in a file or a name is found wherever it is, and nothing else is. Method: files
// with canaries at every place that the search could miss; contents as agents write them.
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <ios>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "harness/common/operation.h"
#include "harness/common/payload.h"
#include "harness/common/store_key.h"
#include "harness/common/worker_config.h"
#include "harness/supervisor/canaries.h"
#include "harness/supervisor/plaintext_search.h"
#include "harness/tests/oracle_history.h"
#include "harness/tests/temporary_folder.h"

namespace soak::supervisor {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBlockBytes = 4UL << 20;  // Of the search: plaintext_search.cc.

std::string noise(std::size_t bytes, std::uint64_t seed) {
  std::string text(bytes, '\0');
  for (std::size_t i = 0; i < bytes; ++i) {
    text[i] = static_cast<char>(mix64(seed, i));
  }
  return text;
}

class PlaintextTest : public testing::Test {
 protected:
  void write(const std::string& name, std::string_view bytes) const {
    fs::create_directories((folder_.path() / name).parent_path());
    std::ofstream(folder_.path() / name, std::ios::binary) << bytes;
  }

  const TemporaryFolder folder_;
  const CanarySearch search_{{{.what = "an id", .bytes = "shell-0/stdout/"},
                              {.what = "an actor", .bytes = "build-0"},
                              {.what = "a key", .bytes = std::string("\0\1\0\1\0\1\0\2", 8)}}};
};

TEST_F(PlaintextTest, ACanaryIsFoundAtEveryPlaceOfAText) {
  for (const std::string_view canary : {"shell-0/stdout/", "build-0"}) {
    for (std::size_t at = 0; at <= 40; ++at) {
      std::string text = noise(40 + canary.size(), at);
      text.replace(at, canary.size(), canary);
      const CanarySearch::Hit hit = search_.first_in(text);
      ASSERT_NE(hit.canary, nullptr) << canary << " at " << at;
      EXPECT_EQ(hit.canary->bytes, canary);
      EXPECT_EQ(hit.offset, at);
      EXPECT_EQ(search_.first_in(std::string_view(text).substr(0, at + canary.size() - 1)).canary,
                nullptr)
          << "its end is cut off";
    }
  }
}

TEST_F(PlaintextTest, WhatOnlyBeginsLikeACanaryIsNoneAndHidesNone) {
  EXPECT_EQ(search_.first_in("shell-0/stderr/ shell-1/stdout/ build-1 build-").canary, nullptr);
  const std::string repeated("\0\1\0\1\0\1\0\1\0\1\0\1\0\2", 14);
  EXPECT_EQ(search_.first_in(repeated).offset, 6U);
  EXPECT_EQ(search_.first_in("").canary, nullptr);
  EXPECT_EQ(search_.first_in("bui").canary, nullptr);
}

TEST_F(PlaintextTest, ACanaryAcrossTwoBlocksOfAFileIsFound) {
  const std::string canary = "shell-0/stdout/";
  for (std::size_t in_first = 0; in_first <= canary.size(); ++in_first) {
    std::string text = noise(kBlockBytes + 100, 5);
    text.replace(kBlockBytes - in_first, canary.size(), canary);
    write("file", text);
    const PlaintextSearch result = search_.search(folder_.path());
    ASSERT_EQ(result.findings, 1U) << in_first;
    EXPECT_EQ(result.found.at(0), fmt::format("file at {} holds an id", kBlockBytes - in_first));
    EXPECT_EQ(result.bytes, text.size());
  }
}

TEST_F(PlaintextTest, EveryFileAndNameBelowIsSearched) {
  write("STORE", noise(100, 1));
  write("wal/1.wal", noise(5000, 2) + "build-0");
  write("base/deep/2.sst", "shell-0/stdout/");
  write("base/build-0.log", "nothing");
  write("empty", "");
  const PlaintextSearch result = search_.search(folder_.path());
  EXPECT_EQ(result.files, 5U);
  EXPECT_EQ(result.bytes, 100U + 5007 + 15 + 7);
  EXPECT_EQ(result.canaries, 3U);
  EXPECT_EQ(result.findings, 3U);
  EXPECT_EQ(result.unfinished.size(), 0U);
}

TEST_F(PlaintextTest, AFolderThatIsNotThereIsNotPassedOffAsSearched) {
  const PlaintextSearch result = search_.search(folder_.path() / "missing");
  EXPECT_EQ(result.files, 0U);
  EXPECT_EQ(result.unfinished.size(), 1U);
}

class CanariesTest : public PlaintextTest {
 protected:
  [[nodiscard]] std::vector<Canary> canaries() const {
    return canaries_of(oracle::kHistorySeed, agents_, history_.oracle);
  }
  [[nodiscard]] bool is_found(const std::string& bytes) const {
    return CanarySearch(canaries()).first_in(bytes).canary != nullptr;
  }

  oracle::History history_;
  std::vector<AgentConfig> agents_ = oracle::history_agents(2);
};

TEST_F(CanariesTest, NothingAcknowledgedIsNothingToSearchFor) {
  history_.put(oracle::History::stdout_of(0), Outcome::kMaybe);
  write("file", "agent-0/stdout/");
  EXPECT_EQ(canaries().size(), 0U);
  const PlaintextSearch result =
      search_for_plaintext(folder_.path(), oracle::kHistorySeed, agents_, history_.oracle);
  EXPECT_EQ(result.canaries, 0U);
  EXPECT_EQ(result.files, 0U);
}

TEST_F(CanariesTest, WhatAgentsWroteHoldsThem) {
  agents_[1].name = "x-1";
  const std::uint64_t op = history_.put(oracle::History::stdout_of(0));
  history_.put(oracle::History::memory(3, 1));
  ASSERT_EQ(history_.oracle.counts().protocol_errors, 0U);
  EXPECT_TRUE(is_found("put agent-0/stdout/000000000999"));
  EXPECT_TRUE(is_found("x-1/memory/000000000007"));
  EXPECT_TRUE(is_found("by agent-0 at noon"));
  EXPECT_FALSE(is_found("x-1 alone is too short")) << "it is met by chance in a ciphertext";
  EXPECT_FALSE(is_found("x-1/stdout/000000000007")) << "nobody wrote that";
  EXPECT_TRUE(is_found("key=" + store_key_text(oracle::kHistorySeed)));
  EXPECT_FALSE(is_found(noise(kBlockBytes, 9)));
  std::string document;
  payload_document(oracle::kHistorySeed, agents_[0], OperationKind::kStdout, op, document);
  std::size_t of_the_document = 0;
  for (const Canary& canary : canaries()) {
    of_the_document += document.contains(canary.bytes) ? 1U : 0U;
  }
  EXPECT_GT(of_the_document, 10U) << "its beginning, and stretches from all over it";
}

TEST(StoreKey, IsTheSeedsAndHasTheFormOfAKeyFile) {
  EXPECT_EQ(store_key(1), store_key(1));
  EXPECT_NE(store_key(1), store_key(2));
  const std::string text = store_key_text(1);
  EXPECT_EQ(text.size(), 64U);
  EXPECT_EQ(text.find_first_not_of("0123456789abcdef"), std::string::npos);
}

}  // namespace
}  // namespace soak::supervisor
