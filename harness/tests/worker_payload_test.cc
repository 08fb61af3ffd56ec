// Goal: contents are a fixed function, right at every offset, valid JSON, and name themselves.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include "harness/common/operation.h"
#include "harness/common/payload.h"
#include "harness/common/worker_config.h"

namespace soak {
namespace {

constexpr std::uint64_t kSeed = 42;
constexpr std::array kStreams = {OperationKind::kCommand, OperationKind::kStdout,
                                 OperationKind::kStderr, OperationKind::kContext,
                                 OperationKind::kMemory};

AgentConfig agent_with(std::uint64_t fixed_bytes) {
  AgentConfig agent;
  agent.name = "shell-0";
  agent.payload = {.distribution = "fixed",
                   .median_bytes = fixed_bytes,
                   .min_bytes = kPayloadBytesMin,
                   .max_bytes = kPayloadBytesMax};
  return agent;
}

std::string document(const AgentConfig& agent, OperationKind stream, std::uint64_t op) {
  std::string text;
  payload_document(kSeed, agent, stream, op, text);
  return text;
}

// Parses with the engine's parser, strictly, and returns the "text" field (tiny: "d").
std::string text_of(const std::string& json) {
  simdjson::dom::parser parser;
  const auto parsed = parser.parse(json);
  EXPECT_EQ(parsed.error(), simdjson::SUCCESS) << json.substr(0, 400);
  if (parsed.error() != simdjson::SUCCESS) {
    return {};
  }
  std::string_view text;
  if (parsed["text"].get_string().get(text) != simdjson::SUCCESS &&
      parsed["d"].get_string().get(text) != simdjson::SUCCESS) {
    ADD_FAILURE() << "no text field: " << json.substr(0, 400);
  }
  return std::string(text);
}

TEST(Payload, EverySizeOfEveryStreamIsValidJsonOfThatSize) {
  for (const OperationKind stream : kStreams) {
    for (std::uint64_t size = kPayloadBytesMin; size < 1200; ++size) {
      for (const std::uint64_t op : {std::uint64_t{1}, 1000 + size}) {
        const std::string json = document(agent_with(size), stream, op);
        ASSERT_EQ(json.size(), size);
        text_of(json);
        ASSERT_FALSE(HasFailure()) << "size " << size << " op " << op;
      }
    }
  }
}

TEST(Payload, LargeDocumentsOfEveryStreamAreValidJson) {
  for (const OperationKind stream : kStreams) {
    for (std::uint64_t op = 1; op <= 20; ++op) {
      const std::string json = document(agent_with(300'000 + op), stream, op);
      EXPECT_EQ(json.size(), 300'000 + op);
      EXPECT_FALSE(text_of(json).empty());
    }
  }
}

TEST(Payload, RangesReadAtAnyOffsetEqualTheWhole) {
  std::uint64_t state = 7;
  for (const OperationKind stream : kStreams) {
    for (const std::uint64_t size : {16U, 40U, 90U, 333U, 5000U, 70'001U}) {
      const AgentConfig agent = agent_with(size);
      const std::string whole = document(agent, stream, 5);
      const PayloadReader reader(kSeed, agent, stream, 5);
      ASSERT_EQ(reader.size(), whole.size());
      for (int i = 0; i < 300; ++i) {
        const std::uint64_t offset = mix64(++state) % size;
        std::string part(mix64(++state) % (size - offset + 1), '\0');
        reader.read(offset, std::span(part.data(), part.size()));
        ASSERT_EQ(part, whole.substr(offset, part.size())) << "offset " << offset;
      }
    }
  }
}

TEST(Payload, DigestIsTheHashOfTheWhole) {
  for (const OperationKind stream : kStreams) {
    for (const std::uint64_t size : {16U, 500U, 16'384U, 16'385U, 1'000'000U}) {
      const AgentConfig agent = agent_with(size);
      const std::string whole = document(agent, stream, 9);
      const ContentDigest digest = payload_digest(kSeed, agent, stream, 9);
      EXPECT_EQ(digest.length, whole.size());
      EXPECT_EQ(digest.hash, content_hash(whole));
    }
  }
}

TEST(Payload, DiffersBySeedAgentStreamAndOp) {
  std::set<std::uint64_t> hashes;
  std::size_t count = 0;
  for (const std::uint64_t size : {16U, 2000U}) {
    for (const std::uint64_t seed : {1U, 2U}) {
      for (const std::uint16_t index : {std::uint16_t{0}, std::uint16_t{1}}) {
        AgentConfig agent = agent_with(size);
        agent.index = index;
        for (const OperationKind stream : kStreams) {
          for (std::uint64_t op = 1; op <= 50; ++op) {
            hashes.insert(payload_digest(seed, agent, stream, op).hash);
            ++count;
          }
        }
      }
    }
  }
  EXPECT_EQ(hashes.size(), count);
}

TEST(Payload, EveryBlockNamesItsAgentStreamOpAndOffset) {
  const std::string json = document(agent_with(10'000), OperationKind::kStdout, 17);
  const std::string name = "shell-0/stdout/000000000017 @";
  const std::size_t text_begin = json.find("\"text\":\"") + 8;
  std::size_t blocks = 0;
  for (std::size_t at = text_begin; at + PayloadReader::kBlockBytes < json.size() - 2;
       at += PayloadReader::kBlockBytes) {
    const std::string block = json.substr(at, PayloadReader::kBlockBytes);
    EXPECT_NE(block.find(fmt::format("{}{:010} ", name, at)), std::string::npos) << block;
    ++blocks;
  }
  EXPECT_GT(blocks, 30U);
}

TEST(Payload, StderrCarriesColourControlCharactersAndReplacedBytes) {
  const std::string text = text_of(document(agent_with(4000), OperationKind::kStderr, 3));
  EXPECT_NE(text.find("\x1b[31m"), std::string::npos);
  EXPECT_NE(text.find("\\xff\\xc0"), std::string::npos);
  EXPECT_NE(text.find("\xef\xbf\xbd"), std::string::npos);
  EXPECT_NE(text.find('\0'), std::string::npos);
  EXPECT_NE(text.find('\n'), std::string::npos);
}

TEST(Payload, ContextCarriesOtherScripts) {
  const std::string text = text_of(document(agent_with(4000), OperationKind::kContext, 3));
  EXPECT_NE(text.find("\xe6\xb8\xac\xe8\xa9\xa6"), std::string::npos);
  EXPECT_NE(text.find("\xf0\x9f\x9a\x80"), std::string::npos);
}

// Distinct 8-byte pieces per piece: near 0 for repeating text, 1 for random text.
double novelty(const std::string& text) {
  std::set<std::string> seen;
  std::size_t pieces = 0;
  for (std::size_t at = 0; at + 8 <= text.size(); at += 8) {
    seen.insert(text.substr(at, 8));
    ++pieces;
  }
  return static_cast<double>(seen.size()) / static_cast<double>(pieces);
}

TEST(Payload, SomeCapturesAreIncompressibleAndMostRepeat) {
  int incompressible = 0;
  constexpr int kCaptures = 200;
  for (std::uint64_t op = 1; op <= kCaptures; ++op) {
    incompressible += novelty(document(agent_with(60'000), OperationKind::kStdout, op)) > 0.5;
  }
  EXPECT_GT(incompressible, kCaptures / 8);
  EXPECT_LT(incompressible, kCaptures / 2);
}

// A changed hash means that stores and ledgers written by an older version no longer verify: change
// these values only together with kSharedRegionVersion.
TEST(Payload, GoldenHashesStay) {
  struct Golden {
    OperationKind stream;
    std::uint64_t op, size, hash;
  };
  const std::array<Golden, 7> goldens = {{
      {OperationKind::kCommand, 1, 120, 0xfb1c95bde9ce92b7},
      {OperationKind::kStdout, 2, 5000, 0x1594385f14c3fb72},
      {OperationKind::kStdout, 4, 5000, 0x6d1a4ee5088e8c00},
      {OperationKind::kStderr, 3, 70'000, 0x559978512fe6601f},
      {OperationKind::kContext, 4, 1000, 0x22e41ea95b8c4942},
      {OperationKind::kMemory, 5, 16, 0x677260a864a5d19e},
      {OperationKind::kMemory, 6, 48, 0xe1026860320736a4},
  }};
  for (const Golden& golden : goldens) {
    const ContentDigest digest =
        payload_digest(kSeed, agent_with(golden.size), golden.stream, golden.op);
    EXPECT_EQ(digest.length, golden.size);
    EXPECT_EQ(digest.hash, golden.hash) << fmt::format("0x{:016x}", digest.hash);
  }
}

TEST(PayloadSize, GoldenSizesStay) {
  AgentConfig agent = agent_with(0);
  agent.payload = {
      .distribution = "lognormal", .median_bytes = 4096, .min_bytes = 16, .max_bytes = 1 << 20};
  const std::array<std::uint64_t, 5> sizes = {603, 3405, 426, 1242, 5887};
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    EXPECT_EQ(payload_size(kSeed, agent, OperationKind::kStdout, i + 1), sizes[i]);
  }
}

TEST(PayloadSize, FollowsTheDistributionWithinItsBounds) {
  AgentConfig agent = agent_with(0);
  agent.payload = {
      .distribution = "lognormal", .median_bytes = 4096, .min_bytes = 16, .max_bytes = 1 << 20};
  std::vector<std::uint64_t> sizes;
  for (std::uint64_t op = 1; op <= 20'000; ++op) {
    sizes.push_back(payload_size(kSeed, agent, OperationKind::kStdout, op));
    EXPECT_LE(payload_size(kSeed, agent, OperationKind::kCommand, op), 4096U);
  }
  std::sort(sizes.begin(), sizes.end());
  EXPECT_GE(sizes.front(), 16U);
  EXPECT_LE(sizes.back(), 1U << 20);
  EXPECT_GT(sizes.back(), 300'000U);
  EXPECT_NEAR(static_cast<double>(sizes[sizes.size() / 2]), 4096, 300);

  agent.payload.distribution = "uniform";
  agent.payload.min_bytes = 100;
  agent.payload.max_bytes = 200;
  std::set<std::uint64_t> uniform;
  for (std::uint64_t op = 1; op <= 5000; ++op) {
    uniform.insert(payload_size(kSeed, agent, OperationKind::kMemory, op));
  }
  EXPECT_EQ(*uniform.begin(), 100U);
  EXPECT_EQ(*uniform.rbegin(), 200U);
  EXPECT_EQ(uniform.size(), 101U);
}

TEST(PayloadSize, NeverBelowTheSmallestDocument) {
  AgentConfig agent = agent_with(1);
  agent.payload.min_bytes = 0;
  EXPECT_EQ(payload_size(kSeed, agent, OperationKind::kStdout, 1), kPayloadBytesMin);
  EXPECT_EQ(document(agent, OperationKind::kStdout, 1).size(), kPayloadBytesMin);
}

}  // namespace
}  // namespace soak
