// Is a text one RFC 8259 JSON value in valid UTF-8? Used on the way in; never during replay.
#pragma once

#include <string_view>

#include <pluresdb/error.h>

namespace pluresdb::base {

/// kInvalidArgument, saying what is wrong, unless `text` is exactly one JSON value.
///
/// Numbers must fit a double or a 64-bit integer; nesting is at most 1,024 deep. Thread: any.
Status validate_json(std::string_view text);

}  // namespace pluresdb::base
