// What an examiner says of a crash image.
#pragma once

#include <array>
#include <cstdint>

#include "faultinj/power_loss.h"

namespace soak::supervisor {

/// What became of one image. Crosses a pipe: fixed size, no pointers.
struct ImageResult {
  enum class Outcome : std::uint32_t {
    kRight,       ///< Recovered, and everything that must be there is there.
    kSame,        ///< As an earlier image of this clone: not looked at again.
    kWrong,       ///< Recovered, but not what it must be.
    kNotOpened,   ///< The store does not open, or recovery found damage.
    kNotExamined  ///< The harness failed.
  };
  Outcome outcome = Outcome::kNotExamined;
  std::uint32_t clone = 0, image = 0;  ///< From 1.
  faultinj::PowerLossPolicy policy{};  ///< How it was made of the clone.
  faultinj::PowerLossOutcome loss{};
  std::uint64_t hash = 0;  ///< Of all names and bytes.
  std::uint64_t documents = 0, torn_tails = 0, replayed_entries = 0;
  double recovery_seconds = 0;
  std::array<char, 512> text{};  ///< What is wrong.
  // Of an encrypted store: what a search for plaintext saw, before the image was recovered.
  std::uint64_t canaries = 0, searched_files = 0, searched_bytes = 0, plaintext_findings = 0;
  std::array<char, 256> plaintext{};   ///< The first finding.
  std::array<char, 256> unsearched{};  ///< Why something was not searched.
};

}  // namespace soak::supervisor
