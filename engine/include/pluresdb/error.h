// Errors as values: the only way a PluresDB call reports that it failed.
//
// An ErrorCode exists only where a caller reacts to it differently; everything else is text in
// `context`. No exception leaves PluresDB.
#pragma once

#include <expected>
#include <string>
#include <utility>

namespace pluresdb {

enum class ErrorCode {
  kNotFound,            ///< The named thing does not exist.
  kInvalidArgument,     ///< The caller passed something unusable; nothing was done.
  kCorruption,          ///< Bytes on disk are not what was written.
  kIo,                  ///< A file operation failed; nothing was acknowledged.
  kNoSpace,             ///< Refused because the disk is full; nothing was written. Retry later.
  kIndeterminate,       ///< The write may or may not survive; read it back after reopening.
  kReadOnly,            ///< The log is poisoned: reads work, writes need a reopen.
  kBaseLost,            ///< The base store is missing or older than the log needs.
  kKeyUnavailable,      ///< The encryption key cannot be had.
  kUnsupportedVersion,  ///< A file was written by a newer version.
  kCancelled,           ///< The caller asked for the end of a long operation; nothing of it stays.
  kLocked,              ///< Another process has the store open.
  kRateLimited,         ///< Refused by WriteRateLimit; nothing was written. Retry later.
};

/// Lower-case name of `code` without its k, in snake_case ("no_space").
const char* error_code_name(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::kIo;
  int sys_errno = 0;      ///< 0 when no system call failed.
  bool injected = false;  ///< Set only by faultinj/.
  std::string context;    ///< "fsync wal/0000000000000007.wal": operation and object, no period.
};

/// "no_space: allocate wal/x.tmp (No space left on device)".
std::string to_string(const Error& error);

template <typename T>
struct [[nodiscard]] Result : std::expected<T, Error> {
  using std::expected<T, Error>::expected;
};
using Status = Result<void>;

/// Shorthand for returning an error: `return fail(ErrorCode::kNotFound, "document x");`.
inline std::unexpected<Error> fail(ErrorCode code, std::string context, int sys_errno = 0) {
  return std::unexpected(Error{
      .code = code, .sys_errno = sys_errno, .injected = false, .context = std::move(context)});
}

}  // namespace pluresdb

// The only two control-flow macros of the project. Both return the error to the caller.
#define TRY(expr)                                                         \
  do {                                                                    \
    if (auto try_result = (expr); !try_result.has_value()) [[unlikely]] { \
      return std::unexpected(std::move(try_result).error());              \
    }                                                                     \
  } while (false)

#define TRY_CONCAT_INNER(a, b) a##b
#define TRY_CONCAT(a, b) TRY_CONCAT_INNER(a, b)
#define TRY_ASSIGN_IMPL(tmp, decl, expr)            \
  auto tmp = (expr);                                \
  if (!tmp.has_value()) [[unlikely]] {              \
    return std::unexpected(std::move(tmp).error()); \
  }                                                 \
  decl = *std::move(tmp)
#define TRY_ASSIGN(decl, expr) TRY_ASSIGN_IMPL(TRY_CONCAT(try_result_, __LINE__), decl, expr)
