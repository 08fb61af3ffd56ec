// Units, edit distance and the rendering of findings.
#include <array>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "harness/scenario/scenario.h"
#include "harness/scenario/suggest.h"
#include "harness/scenario/units.h"
#include "pluresdb/error.h"

namespace soak::scenario {
namespace {

TEST(Units, DurationsAreSeconds) {
  EXPECT_DOUBLE_EQ(parse_duration("90s").value_or(-1), 90);
  EXPECT_DOUBLE_EQ(parse_duration("250ms").value_or(-1), 0.25);
  EXPECT_DOUBLE_EQ(parse_duration("1.5m").value_or(-1), 90);
  EXPECT_DOUBLE_EQ(parse_duration("24h").value_or(-1), 86400);
  EXPECT_DOUBLE_EQ(parse_duration("7d").value_or(-1), 604800);
  EXPECT_DOUBLE_EQ(parse_duration("0s").value_or(-1), 0);
}

TEST(Units, MalformedDurationsAreRefused) {
  for (const std::string_view text :
       {"", "s", "60", "60 s", "-1s", "+1s", "1e3s", "1..5s", ".", "1.2.3s", "60sec", "60S", "infs",
        "nans", "0x10s", "1h30m", "99999999999999999999s", "٣s"}) {
    const auto parsed = parse_duration(text);
    ASSERT_FALSE(parsed.has_value()) << text;
    EXPECT_EQ(parsed.error().code, pluresdb::ErrorCode::kInvalidArgument) << text;
    EXPECT_NE(parsed.error().context.find(text), std::string::npos) << text;
  }
}

TEST(Units, SizesAreWholeBytes) {
  EXPECT_EQ(parse_bytes("512B").value_or(0), 512U);
  EXPECT_EQ(parse_bytes("64MiB").value_or(0), 64U << 20);
  EXPECT_EQ(parse_bytes("1.5GiB").value_or(0), 3ULL << 29);
  EXPECT_EQ(parse_bytes("1TiB").value_or(0), 1ULL << 40);
  EXPECT_FALSE(parse_bytes("1.3B").has_value());
  EXPECT_FALSE(parse_bytes("64MB").has_value());
  EXPECT_FALSE(parse_bytes("64").has_value());
  EXPECT_FALSE(parse_bytes("99999999TiB").has_value());
}

TEST(Units, RatesArePerSecondAndMaxIsZero) {
  EXPECT_DOUBLE_EQ(parse_rate("200/s").value_or(-1), 200);
  EXPECT_DOUBLE_EQ(parse_rate("30/m").value_or(-1), 0.5);
  EXPECT_DOUBLE_EQ(parse_rate("max").value_or(-1), 0);
  EXPECT_FALSE(parse_rate("0/s").has_value());
  EXPECT_FALSE(parse_rate("200").has_value());
  EXPECT_FALSE(parse_rate("maximum").has_value());
}

TEST(Units, FormattedValuesTakeTheLargestWholeUnit) {
  EXPECT_EQ(format_duration(86400), "1d");
  EXPECT_EQ(format_duration(90), "90s");
  EXPECT_EQ(format_duration(120), "2m");
  EXPECT_EQ(format_duration(0.25), "0.25s");
  EXPECT_EQ(format_duration(0), "0s");
  EXPECT_EQ(format_bytes(64ULL << 20), "64MiB");
  EXPECT_EQ(format_bytes(1000), "1000B");
  EXPECT_EQ(format_bytes(0), "0B");
  EXPECT_EQ(format_rate(0), "max");
  EXPECT_EQ(format_rate(0.5), "0.5/s");
  EXPECT_EQ(format_number(1e-7), "0.0000001");
}

TEST(Suggest, DistanceCountsEdits) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("abc", "abc"), 0U);
  EXPECT_EQ(edit_distance("abc", "ab"), 1U);
  EXPECT_EQ(edit_distance("abc", "axc"), 1U);
  EXPECT_EQ(edit_distance("abc", "acb"), 1U);  // A swap is one slip of the fingers.
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
}

TEST(Suggest, NearestIsNearOrNothing) {
  constexpr std::array<std::string_view, 3> kWords = {"duration", "durability", "seed"};
  EXPECT_EQ(nearest("durration", kWords), "duration");
  EXPECT_EQ(nearest("duraton", kWords), "duration");
  EXPECT_EQ(nearest("sed", kWords), "seed");
  EXPECT_EQ(nearest("colour", kWords), "");
  EXPECT_EQ(nearest("", kWords), "");
  EXPECT_EQ(nearest(std::string(100'000, 'x'), kWords), "");
}

TEST(Render, CaretStandsUnderThePlace) {
  const Diagnostic diagnostic{
      .file = "a.toml", .line = 2, .column = 3, .end_column = 6, .message = "wrong"};
  EXPECT_EQ(render(diagnostic, "first\n\txyz = 1\n", false),
            "a.toml:2:3: error: wrong\n"
            "    2 | \txyz = 1\n"
            "      | \t ^~~\n");
}

TEST(Render, ColumnsCountCodePoints) {
  const Diagnostic diagnostic{
      .file = "a.toml", .line = 1, .column = 4, .end_column = 5, .message = "wrong"};
  EXPECT_EQ(render(diagnostic, "äöüx", false),
            "a.toml:1:4: error: wrong\n"
            "    1 | äöüx\n"
            "      |    ^\n");
}

TEST(Render, EscapeSequencesOfTheFileDoNotReachTheTerminal) {
  const Diagnostic diagnostic{
      .file = "a.toml", .line = 1, .column = 1, .end_column = 2, .message = "wrong"};
  EXPECT_EQ(render(diagnostic, "a\x1b[31mb", false).find('\x1b'), std::string::npos);
  EXPECT_NE(render(diagnostic, "ab", true).find('\x1b'), std::string::npos);
}

TEST(Render, PlacesBehindTheTextPrintNoLine) {
  const Diagnostic diagnostic{
      .file = "a.toml", .line = 99, .column = 7, .end_column = 9, .message = "wrong"};
  EXPECT_EQ(render(diagnostic, "one line", false), "a.toml:99:7: error: wrong\n");
}

}  // namespace
}  // namespace soak::scenario
