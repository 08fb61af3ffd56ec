// DB_CHECK: aborts on a broken invariant, in every build. Programmer errors only: never for bytes
// read from disk or for user input, which are kCorruption and kInvalidArgument.
#pragma once

namespace pluresdb::base {

[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace pluresdb::base

#define DB_CHECK(condition)                                           \
  do {                                                                \
    if (!(condition)) [[unlikely]] {                                  \
      ::pluresdb::base::check_failed(#condition, __FILE__, __LINE__); \
    }                                                                 \
  } while (false)
