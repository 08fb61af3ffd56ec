// Text of errors. The type itself is public: <pluresdb/error.h>.
#include <cstring>
#include <string>

#include <pluresdb/error.h>

namespace pluresdb {

const char* error_code_name(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNotFound:
      return "not_found";
    case ErrorCode::kInvalidArgument:
      return "invalid_argument";
    case ErrorCode::kCorruption:
      return "corruption";
    case ErrorCode::kIo:
      return "io";
    case ErrorCode::kNoSpace:
      return "no_space";
    case ErrorCode::kIndeterminate:
      return "indeterminate";
    case ErrorCode::kReadOnly:
      return "read_only";
    case ErrorCode::kBaseLost:
      return "base_lost";
    case ErrorCode::kKeyUnavailable:
      return "key_unavailable";
    case ErrorCode::kUnsupportedVersion:
      return "unsupported_version";
    case ErrorCode::kCancelled:
      return "cancelled";
    case ErrorCode::kLocked:
      return "locked";
    case ErrorCode::kRateLimited:
      return "rate_limited";
  }
  return "unknown";
}

std::string to_string(const Error& error) {
  std::string text = std::string(error_code_name(error.code)) + ": " + error.context;
  if (error.sys_errno != 0) {
    text += std::string(" (") + strerrordesc_np(error.sys_errno) + ")";
  }
  if (error.injected) {
    text += " [injected]";
  }
  return text;
}

}  // namespace pluresdb
