// Properties of engine/base against simple second implementations. Each names the mutant that was
// seen to break it.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/base/json_syntax.h"

namespace pluresdb::base {
namespace {

/// Bit by bit, from the polynomial.
std::uint32_t simple_crc32c(std::string_view text) {
  constexpr std::uint32_t kReversedPolynomial = 0x82f63b78;
  std::uint32_t crc = ~0U;
  for (const char letter : text) {
    crc ^= static_cast<unsigned char>(letter);
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc >> 1U) ^ ((crc & 1U) != 0 ? kReversedPolynomial : 0U);
    }
  }
  return ~crc;
}

// Red with: the seed is not complemented before it is passed on.
TEST(BaseProperties, CrcIsThePolynomialsAndContinues) {
  EXPECT_TRUE(rc::check("crc32c = bit by bit; crc(b, crc(a)) = crc(a + b)", [] {
    const auto a = *rc::gen::arbitrary<std::string>();
    const auto b = *rc::gen::arbitrary<std::string>();
    RC_ASSERT(crc32c(as_bytes(a)) == simple_crc32c(a));
    RC_ASSERT(crc32c(as_bytes(b), crc32c(as_bytes(a))) == simple_crc32c(a + b));
  }));
}

// Red with: Reader::take compares offset_ + count, which overflows.
TEST(BaseProperties, ReaderGivesBackWhatWasAppendedAndStaysInBounds) {
  EXPECT_TRUE(rc::check("append then read", [] {
    const auto numbers = *rc::gen::arbitrary<std::vector<std::uint64_t>>();
    const auto text = *rc::gen::arbitrary<std::string>();
    std::vector<std::byte> bytes;
    for (const std::uint64_t number : numbers) {
      append(bytes, number);
    }
    append_bytes(bytes, as_bytes(text));
    Reader reader(bytes);
    for (const std::uint64_t number : numbers) {
      RC_ASSERT(reader.read<std::uint64_t>() == number);
    }
    RC_ASSERT(as_text(reader.read_bytes(text.size())) == text);
    RC_ASSERT(reader.ok() && reader.remaining() == 0);
    const auto beyond = *rc::gen::arbitrary<std::size_t>();
    Reader again(bytes);
    const ByteSpan read = again.read_bytes(beyond);
    RC_ASSERT(again.ok() == (beyond <= bytes.size()));
    RC_ASSERT(read.size() == (again.ok() ? beyond : 0));
  }));
}

/// Valid JSON text by construction.
std::string any_json(int depth) {
  switch (*rc::gen::inRange(0, depth > 0 ? 6 : 4)) {
    case 0:
      return *rc::gen::element<std::string>("null", "true", "false");
    case 1:
      return std::to_string(*rc::gen::arbitrary<std::int64_t>());
    case 2:
      return std::to_string(*rc::gen::inRange(-1000, 1000)) + ".25e" +
             std::to_string(*rc::gen::inRange(-30, 30));
    case 3: {
      std::string text = "\"";
      const auto pieces = *rc::gen::inRange(0, 5);
      for (int piece = 0; piece < pieces; ++piece) {
        text += *rc::gen::element<std::string>("a", "\\n", "\\u00e9", "\xc3\xa9", "\\\"", "/");
      }
      return text + "\"";
    }
    default: {
      const bool object = *rc::gen::arbitrary<bool>();
      std::string text(1, object ? '{' : '[');
      const auto members = *rc::gen::inRange(0, 4);
      for (int member = 0; member < members; ++member) {
        text += member == 0 ? "" : ",";
        text += object ? "\"k" + std::to_string(member) + "\":" : "";
        text += any_json(depth - 1);
      }
      return text + (object ? '}' : ']');
    }
  }
}

// Red with: validate_with() refuses an empty array.
TEST(BaseProperties, JsonByConstructionIsAccepted) {
  EXPECT_TRUE(rc::check("valid by construction",
                        [] { RC_ASSERT(validate_json(any_json(4)).has_value()); }));
}

// Red with: validate_with() ignores errors when the text begins with a bracket.
TEST(BaseProperties, ValidJsonWithAnythingBehindItIsRefused) {
  EXPECT_TRUE(rc::check("value + junk", [] {
    const auto junk = *rc::gen::element<std::string>("x", "]", "}", "\"", " 1", ",", "\x01");
    RC_ASSERT(!validate_json("[" + any_json(3) + "]" + junk).has_value());
  }));
}

}  // namespace
}  // namespace pluresdb::base
