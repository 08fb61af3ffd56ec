// Colours of the terminal. With `color` false every text comes back as it is.
#pragma once

#include <string>
#include <string_view>

#include "harness/report/run_result.h"

namespace soak::report {

enum class Ink { kPlain, kDim, kBold, kGood, kBad, kWarning, kAccent };

class Paint {
 public:
  explicit Paint(bool color) : color_(color) {}
  [[nodiscard]] std::string operator()(Ink ink, std::string_view text) const {
    const std::string_view code = code_of(ink);
    if (!color_ || code.empty()) {
      return std::string(text);
    }
    return std::string(code).append(text).append("\x1b[0m");
  }

 private:
  static std::string_view code_of(Ink ink) {
    switch (ink) {
      case Ink::kDim:
        return "\x1b[2m";
      case Ink::kBold:
        return "\x1b[1m";
      case Ink::kGood:
        return "\x1b[32m";
      case Ink::kBad:
        return "\x1b[1;31m";
      case Ink::kWarning:
        return "\x1b[33m";
      case Ink::kAccent:
        return "\x1b[36m";
      case Ink::kPlain:
        break;
    }
    return {};
  }
  bool color_;
};

inline Ink ink_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPass:
      return Ink::kGood;
    case Verdict::kFail:
      return Ink::kBad;
    case Verdict::kInconclusive:
      break;
  }
  return Ink::kWarning;
}

/// One column wide: ✓ ✗ ?
inline std::string_view glyph_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPass:
      return "✓";
    case Verdict::kFail:
      return "✗";
    case Verdict::kInconclusive:
      break;
  }
  return "?";
}

}  // namespace soak::report
