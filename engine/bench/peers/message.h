// An outcome as a plain block of bytes, to be sent from one process to another.
#pragma once

#include <algorithm>
#include <array>
#include <string>

#include <pluresdb/error.h>

namespace pluresdb::bench {

struct Outcome {
  bool is_ok = true;
  ErrorCode code = ErrorCode::kIo;
  std::array<char, 400> text{};  ///< Cut when longer; ends with a NUL.

  template <typename T>
  static Outcome of(const Result<T>& result) {
    Outcome outcome;
    if (!result) {
      outcome.is_ok = false;
      outcome.code = result.error().code;
      const std::string text = result.error().context;
      std::ranges::copy_n(
          text.begin(), static_cast<std::ptrdiff_t>(std::min(text.size(), outcome.text.size() - 1)),
          outcome.text.begin());
    }
    return outcome;
  }
  [[nodiscard]] Status status() const { return is_ok ? Status{} : Status(fail(code, text.data())); }
};

}  // namespace pluresdb::bench
