// Goal: what callers pass is accepted when it is what the documents say, and refused otherwise with
// kInvalidArgument. Method: any bytes as JSON, id and actor, each held against a rule that is said
// in another way.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/json_syntax.h"
#include "engine/core/arguments.h"
#include "engine/fuzz/driver/target.h"
#include "engine/fuzz/support.h"
#include "engine/fuzz/targets.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>

namespace pluresdb::fuzz {
namespace {

/// RFC 3629, one character at a time; 0: no character begins here.
std::size_t utf8_bytes_at(std::string_view text) {
  const auto byte = [&text](std::size_t at) {
    return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U;
  };
  const unsigned first = byte(0);
  const std::size_t count = first < 0x80   ? 1
                            : first < 0xC2 ? 0
                            : first < 0xE0 ? 2
                            : first < 0xF0 ? 3
                            : first < 0xF5 ? 4
                                           : 0;
  for (std::size_t i = 1; i < count; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) {
      return 0;
    }
  }
  const bool is_wrong = (first == 0xE0 && byte(1) < 0xA0) || (first == 0xED && byte(1) > 0x9F) ||
                        (first == 0xF0 && byte(1) < 0x90) || (first == 0xF4 && byte(1) > 0x8F);
  return is_wrong ? 0 : count;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t count = utf8_bytes_at(text);
    if (count == 0) {
      return false;
    }
    text.remove_prefix(count);
  }
  return true;
}

/// Quotes closed, brackets paired: what every JSON text has.
bool is_balanced(std::string_view text) {
  std::string open;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      i += c == '\\' ? 1U : 0U;
      in_string = c != '"';
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      open += c;
    } else if (c == '}' || c == ']') {
      if (open.empty() || open.back() != (c == '}' ? '{' : '[')) {
        return false;
      }
      open.pop_back();
    }
  }
  return open.empty() && !in_string;
}

void check_json(std::string_view text, Input& input) {
  const Status outcome = base::validate_json(text);
  if (!outcome) {
    must_hold(outcome.error().code == ErrorCode::kInvalidArgument, "bad JSON is an argument");
    return;
  }
  must_hold(is_utf8(text), "JSON is UTF-8");
  must_hold(is_balanced(text), "JSON is balanced");
  const std::string copy(text);
  must_hold(base::validate_json(" \t\r\n" + copy + "\n ").has_value(), "white space says nothing");
  must_hold(!base::validate_json(copy + " 1") && !base::validate_json(copy + ","),
            "JSON is one value");
  constexpr std::size_t kDeep = 512;
  if (std::ranges::count(text, '[') + std::ranges::count(text, '{') < std::ptrdiff_t{kDeep}) {
    must_hold(base::validate_json("[" + copy + "," + copy + "]").has_value() &&
                  base::validate_json(R"({"k":)" + copy + "}").has_value(),
              "a value can stand in another one");
  }
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (text[first] == '{' || text[first] == '[' || text[first] == '"') {
    const std::size_t last = text.find_last_not_of(" \t\r\n");
    const std::size_t kept = input.read<std::uint16_t>() % (last + 1);
    must_hold(!base::validate_json(text.substr(0, kept)), "a text that was cut off is none");
  }
}

void check_names(std::string_view text) {
  const Status actor = core::check_actor(text);
  must_hold(actor.has_value() == (!text.empty() && text.size() <= kActorBytesMax),
            "an actor has 1 to 255 bytes");
  const Status id = core::check_document_id(text);
  must_hold(id.has_value() == (!text.empty() && text.size() <= kDocumentIdBytesMax &&
                               text.find('\0') == std::string_view::npos),
            "an id has 1 to 4096 bytes and no NUL");
  must_hold(actor || actor.error().code == ErrorCode::kInvalidArgument, "a bad actor is one");
  must_hold(id || id.error().code == ErrorCode::kInvalidArgument, "a bad id is an argument");
}

void run_arguments(fuzzing::ByteSpan data) {
  Input input(data);
  const bool is_repeated = input.flag();
  const std::size_t times = is_repeated ? 1 + input.read<std::uint16_t>() % 2048U : 1;
  Input cut(input.take(2));
  const std::string_view once = base::as_text(input.rest());
  std::string text;
  constexpr std::size_t kTextBytesMax = 16 << 10;
  for (std::size_t i = 0; i < times && text.size() < kTextBytesMax; ++i) {
    text += once;
  }
  check_names(text);
  check_json(text, cut);
}

std::vector<Seed> arguments_seeds() {
  const auto once = [](std::string_view text) {
    return SeedBytes().add_each({0, 3, 0}).add_text(text).bytes();
  };
  return {
      {.name = "seed-object",
       .bytes = once(R"( {"a":[1,-2.5e3,true,false,null],"b":{"c":"\u00e9\n"}} )")},
      {.name = "seed-string", .bytes = once("\"\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80\"")},
      {.name = "seed-number", .bytes = once("-123456789012345678")},
      {.name = "seed-bad-escape", .bytes = once(R"(["\ud800"])")},
      {.name = "seed-two-values", .bytes = once("{} {}")},
      {.name = "seed-deep", .bytes = SeedBytes().add_each({1, 0, 8, 0, 0}).add_text("[").bytes()},
      {.name = "seed-id", .bytes = once("shell-0/stdout/17")},
      {.name = "seed-long",
       .bytes = SeedBytes().add_each({1, 0, 1, 0, 0}).add_text("0123456789abcdef\n").bytes()},
  };
}

}  // namespace

fuzzing::Target arguments_target() {
  return {.name = "arguments", .run = run_arguments, .seeds = arguments_seeds, .mutations = 20000};
}

}  // namespace pluresdb::fuzz
