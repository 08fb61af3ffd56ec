// DB_CHECK: aborts on a broken invariant, in every build. Programmer errors only: never for bytes
// read from disk or for user input, which are kCorruption and kInvalidArgument.
#pragma once

namespace pluresdb::base {

[[noreturn]] void check_failed(const char* condition, const char* file, int line);
/// For libraries that return null where operator new would throw: ends the process as that does.
[[noreturn]] void out_of_memory(const char* what);

}  // namespace pluresdb::base

#define DB_CHECK(condition)                                           \
  do {                                                                \
    if (!(condition)) [[unlikely]] {                                  \
      ::pluresdb::base::check_failed(#condition, __FILE__, __LINE__); \
    }                                                                 \
  } while (false)
