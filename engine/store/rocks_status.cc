#include "engine/store/rocks_status.h"

#include <charconv>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/core.h>
#include <rocksdb/io_status.h>
#include <rocksdb/status.h>

#include "engine/base/check.h"
#include <pluresdb/error.h>

namespace pluresdb::store {
namespace {

// "[pluresdb 3 28 1] write x": code, errno, injected. RocksDB may put its own words around it.
constexpr std::string_view kMarker = "[pluresdb ";
constexpr int kCodeMax = std::to_underlying(ErrorCode::kRateLimited);

/// Reads one number and the character behind it; false when it is not there.
bool take_number(std::string_view& text, char terminator, int& number) {
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  const auto used = static_cast<std::size_t>(end - text.data());
  if (code != std::errc{} || used >= text.size() || text[used] != terminator) {
    return false;
  }
  text.remove_prefix(used + 1);
  return true;
}

std::optional<Error> find_original(std::string_view text) {
  const auto start = text.find(kMarker);
  if (start == std::string_view::npos) {
    return std::nullopt;
  }
  text.remove_prefix(start + kMarker.size());
  int code = 0;
  int sys_errno = 0;
  int injected = 0;
  if (!take_number(text, ' ', code) || !take_number(text, ' ', sys_errno) ||
      !take_number(text, ']', injected) || code < 0 || code > kCodeMax) {
    return std::nullopt;
  }
  if (text.starts_with(' ')) {
    text.remove_prefix(1);
  }
  return Error{.code = static_cast<ErrorCode>(code),
               .sys_errno = sys_errno,
               .injected = injected != 0,
               .context = std::string(text)};
}

ErrorCode nearest_code(const rocksdb::Status& status) {
  if (status.IsNoSpace()) {
    return ErrorCode::kNoSpace;
  }
  if (status.IsNotFound() || status.IsPathNotFound()) {
    return ErrorCode::kNotFound;
  }
  if (status.IsCorruption()) {
    return ErrorCode::kCorruption;
  }
  if (status.IsInvalidArgument()) {
    return ErrorCode::kInvalidArgument;
  }
  return ErrorCode::kIo;
}

}  // namespace

rocksdb::IOStatus to_io_status(const Error& error) {
  const std::string text = fmt::format("{}{} {} {}] {}", kMarker, std::to_underlying(error.code),
                                       error.sys_errno, error.injected ? 1 : 0, error.context);
  if (error.code == ErrorCode::kNoSpace) {
    return rocksdb::IOStatus::NoSpace(text);
  }
  if (error.code == ErrorCode::kNotFound) {
    return rocksdb::IOStatus::PathNotFound(text);
  }
  return rocksdb::IOStatus::IOError(text);
}

Error to_error(const rocksdb::Status& status, const char* operation) {
  DB_CHECK(!status.ok());
  if (auto original = find_original(status.ToString())) {
    original->context = fmt::format("{}: {}", operation, original->context);
    return *std::move(original);
  }
  return Error{.code = nearest_code(status),
               .sys_errno = 0,
               .injected = false,
               .context = fmt::format("{}: {}", operation, status.ToString())};
}

Error open_failure(Error error, const std::string& directory) {
  const bool gone = error.code == ErrorCode::kNotFound || error.code == ErrorCode::kCorruption ||
                    error.code == ErrorCode::kInvalidArgument;
  const bool unexplained = error.code == ErrorCode::kIo && error.sys_errno == 0 && !error.injected;
  if (gone || unexplained) {
    error.code = ErrorCode::kBaseLost;
    error.context = "base store " + directory +
                    " is missing or damaged; restore it from a backup (" + error.context + ")";
  }
  return error;
}

}  // namespace pluresdb::store
