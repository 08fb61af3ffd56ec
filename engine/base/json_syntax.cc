// The only file that includes simdjson (a heavy header).
#include "engine/base/json_syntax.h"

#include <cstddef>
#include <string>
#include <string_view>

#include <simdjson.h>

#include <pluresdb/error.h>

namespace pluresdb::base {
namespace {

/// The parser's buffers are several times the text: those of a large one are given back.
constexpr std::size_t kRememberedBytesMax = 256 << 10;
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

Status validate_with(simdjson::dom::parser& parser, std::string_view text) {
  if (text.starts_with(kByteOrderMark)) {
    return fail(ErrorCode::kInvalidArgument, "not valid JSON: begins with a byte order mark");
  }
  const auto result = parser.parse(text.data(), text.size());
  if (result.error() != simdjson::SUCCESS) {
    return fail(ErrorCode::kInvalidArgument,
                std::string("not valid JSON: ") + simdjson::error_message(result.error()));
  }
  return {};
}

}  // namespace

Status validate_json(std::string_view text) {
  if (text.size() > kRememberedBytesMax) {
    simdjson::dom::parser parser;
    return validate_with(parser, text);
  }
  // The parser keeps its buffers: one per thread, or each call would allocate twice the text.
  thread_local simdjson::dom::parser parser;
  return validate_with(parser, text);
}

}  // namespace pluresdb::base
