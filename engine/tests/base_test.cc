// engine/base: bytes, CRC-32C, JSON syntax, names of errors.
#include <algorithm>
#include <array>
#include <barrier>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "engine/base/bytes.h"
#include "engine/base/clock.h"
#include "engine/base/crc32c.h"
#include "engine/base/json_syntax.h"
#include "engine/base/worker_team.h"
#include <pluresdb/error.h>

namespace pluresdb::base {
namespace {

TEST(Bytes, NumbersAreLittleEndian) {
  std::array<std::byte, 12> bytes{};
  store(bytes, 2, std::uint32_t{0x11223344});
  EXPECT_EQ(bytes[2], std::byte{0x44});
  EXPECT_EQ(bytes[5], std::byte{0x11});
  EXPECT_EQ(load<std::uint32_t>(bytes, 2), 0x11223344U);
  std::vector<std::byte> grown;
  append(grown, std::uint16_t{0x0102});
  append_bytes(grown, as_bytes("xy"));
  EXPECT_EQ(as_text(grown), std::string_view("\x02\x01xy"));
}

TEST(BytesDeathTest, AccessBeyondTheEndAborts) {
  std::array<std::byte, 8> bytes{};
  EXPECT_DEATH((void)load<std::uint32_t>(bytes, 5), "check failed");
  EXPECT_DEATH((void)load<std::uint32_t>(bytes, std::numeric_limits<std::size_t>::max() - 1),
               "check failed");
  EXPECT_DEATH(store(bytes, 8, std::uint8_t{1}), "check failed");
}

TEST(Reader, GivesZerosForEverAfterTheFirstReadPastTheEnd) {
  const std::string_view text("\x01\x02\x03", 3);
  Reader reader(as_bytes(text));
  EXPECT_EQ(reader.read<std::uint16_t>(), 0x0201U);
  EXPECT_EQ(reader.remaining(), 1U);
  EXPECT_TRUE(reader.ok());
  EXPECT_EQ(reader.read<std::uint32_t>(), 0U);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.read<std::uint8_t>(), 0U) << "one byte is there, but the reader has failed";
  EXPECT_TRUE(reader.read_bytes(std::numeric_limits<std::size_t>::max()).empty());
}

TEST(WorkerTeam, DoesEachTaskOnceAndReturnsWhenAllAreDone) {
  for (const std::size_t threads : {1U, 2U, 5U}) {
    WorkerTeam team(threads);
    for (std::size_t count = 0; count < 200; ++count) {
      std::vector<int> done(count);  // Not atomic: the return of run() is what orders them.
      team.run(count, [&](std::size_t task) { ++done[task]; });
      EXPECT_EQ(done, std::vector<int>(count, 1));
    }
  }
}

TEST(WorkerTeam, AloneWorksInOrder) {
  WorkerTeam team(0);
  EXPECT_EQ(team.threads(), 1U);
  std::vector<std::size_t> order;
  team.run(4, [&](std::size_t task) { order.push_back(task); });
  EXPECT_EQ(order, (std::vector<std::size_t>{0, 1, 2, 3}));
}

// A barrier inside the tasks: they pass it only when all run at the same time.
TEST(WorkerTeam, ThreadsWorkAtTheSameTime) {
  constexpr std::size_t kThreads = 4;
  WorkerTeam team(kThreads);
  std::barrier<> all(kThreads);
  team.run(kThreads, [&](std::size_t) { all.arrive_and_wait(); });
}

TEST(WorkerTeam, ReturnsOnlyWhenTheOtherThreadsHaveFinished) {
  WorkerTeam team(2);
  for (int round = 0; round < 20; ++round) {
    std::barrier<> both(2);
    const auto caller = std::this_thread::get_id();
    std::uint64_t done = 0;
    team.run(2, [&](std::size_t) {
      both.arrive_and_wait();
      if (std::this_thread::get_id() == caller) {
        return;
      }
      std::vector<std::byte> bytes(1 << 20);  // Enough to do for the caller to be first.
      done = 1 + crc32c(bytes);
    });
    EXPECT_NE(done, 0U);
  }
}

TEST(AlignUp, GivesTheNextMultiple) {
  EXPECT_EQ(align_up(0, 8), 0U);
  EXPECT_EQ(align_up(1, 8), 8U);
  EXPECT_EQ(align_up(8, 8), 8U);
  EXPECT_EQ(align_up(4097, 4096), 8192U);
}

// The vectors of RFC 3720, appendix B.4, and the usual check value.
TEST(Crc32c, GivesThePublishedValues) {
  std::array<std::byte, 32> bytes{};
  EXPECT_EQ(crc32c(bytes), 0x8a9136aaU);
  bytes.fill(std::byte{0xff});
  EXPECT_EQ(crc32c(bytes), 0x62a8ab43U);
  for (std::size_t index = 0; index < bytes.size(); ++index) {
    bytes[index] = static_cast<std::byte>(index);
  }
  EXPECT_EQ(crc32c(bytes), 0x46dd794eU);
  std::ranges::reverse(bytes);
  EXPECT_EQ(crc32c(bytes), 0x113fdb5cU);
  EXPECT_EQ(crc32c(as_bytes("123456789")), 0xe3069283U);
  EXPECT_EQ(crc32c({}), 0U);
}

TEST(ValidateJson, AcceptsEveryKindOfValue) {
  for (const std::string_view text :
       {"{}", "[]", "null", "true", "0", "-0", "-1.5e-3", "\"\"", " \t\r\n{ \"a\" : [1, {}] } ",
        R"("\u00e9\ud83d\ude00\n")", "\"\xc3\xa9\xf0\x9f\x98\x80\"", "18446744073709551615",
        "-9223372036854775808", R"({"a":1,"a":2})"}) {
    EXPECT_TRUE(validate_json(text)) << text;
  }
}

TEST(ValidateJson, RefusesWhatIsNotExactlyOneValue) {
  for (const std::string_view text : {"",          " ",           "{",
                                      "}",         "[1,]",        "[,1]",
                                      "{\"a\"}",   "{\"a\":}",    "{a:1}",
                                      "{'a':1}",   "1 2",         "{}{}",
                                      "nul",       "nulls",       "tru",
                                      "+1",        "01",          "1.",
                                      ".5",        "1e",          "0x1",
                                      "NaN",       "Infinity",    "\"a",
                                      "\"\\x\"",   R"("\ud800")", R"("\udc00\ud800")",
                                      R"("\u12")", "// c\n1",     "[1] x"}) {
    const Status outcome = validate_json(text);
    ASSERT_FALSE(outcome) << text;
    EXPECT_EQ(outcome.error().code, ErrorCode::kInvalidArgument) << text;
    EXPECT_TRUE(outcome.error().context.starts_with("not valid JSON: ")) << text;
  }
}

TEST(ValidateJson, RefusesHostileBytes) {
  using namespace std::string_view_literals;
  for (const std::string_view text :
       {"\0"sv, "{}\0"sv, "\"a\0b\""sv, "\"\n\""sv, "\"\t\""sv, "\"\xff\""sv, "\"\xc3\""sv,
        "\"\xc0\x80\""sv,          // NUL, overlong
        "\"\xed\xa0\x80\""sv,      // a surrogate
        "\"\xf4\x90\x80\x80\""sv,  // beyond U+10FFFF
        "\xef\xbb\xbf{}"sv}) {     // byte order mark
    EXPECT_FALSE(validate_json(text)) << testing::PrintToString(std::string(text));
  }
}

TEST(ValidateJson, BoundsNestingAndNumbers) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_TRUE(validate_json(nested(1000)));
  EXPECT_FALSE(validate_json(nested(2000)));
  EXPECT_FALSE(validate_json(std::string(1'000'000, '[')));
  EXPECT_FALSE(validate_json("1e999"));
  EXPECT_FALSE(validate_json("123456789012345678901234567890"));
}

TEST(ValidateJson, LargeTextsAndSmallOnesAfterThemWork) {
  const std::string large = "\"" + std::string(3'000'000, 'x') + "\"";
  EXPECT_TRUE(validate_json(large));
  EXPECT_FALSE(validate_json(std::string_view(large).substr(0, large.size() - 1)));
  EXPECT_TRUE(validate_json("1"));
}

TEST(ErrorText, NamesCodeContextErrnoAndInjection) {
  const Error error{.code = ErrorCode::kNoSpace,
                    .sys_errno = ENOSPC,
                    .injected = true,
                    .context = "allocate wal/x.tmp"};
  EXPECT_EQ(to_string(error), "no_space: allocate wal/x.tmp (No space left on device) [injected]");
  std::set<std::string> names;
  for (int code = 0; code <= static_cast<int>(ErrorCode::kLocked); ++code) {
    names.insert(error_code_name(static_cast<ErrorCode>(code)));
  }
  EXPECT_EQ(names.size(), static_cast<std::size_t>(ErrorCode::kLocked) + 1);
  EXPECT_FALSE(names.contains("unknown"));
}

TEST(SystemClock, NeverGoesBackAndIsInThisCentury) {
  auto& clock = system_clock();
  std::int64_t last_ns = clock.monotonic_ns();
  for (int round = 0; round < 1000; ++round) {
    const std::int64_t now_ns = clock.monotonic_ns();
    ASSERT_GE(now_ns, last_ns);
    last_ns = now_ns;
  }
  constexpr std::int64_t kYear2020Us = 1'577'836'800'000'000;
  EXPECT_GT(clock.wall_us(), kYear2020Us);
}

}  // namespace
}  // namespace pluresdb::base
