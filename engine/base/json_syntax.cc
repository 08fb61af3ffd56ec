// The only file that includes simdjson (a heavy header).
#include "engine/base/json_syntax.h"

#include <string>
#include <string_view>

#include <simdjson.h>

#include <pluresdb/error.h>

namespace pluresdb::base {

Status validate_json(std::string_view text) {
  // The parser keeps its buffers: one per thread, or each call would allocate twice the text.
  thread_local simdjson::dom::parser parser;
  const auto result = parser.parse(text.data(), text.size());
  if (result.error() != simdjson::SUCCESS) {
    return fail(ErrorCode::kInvalidArgument,
                std::string("not valid JSON: ") + simdjson::error_message(result.error()));
  }
  return {};
}

}  // namespace pluresdb::base
