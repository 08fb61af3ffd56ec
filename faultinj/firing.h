// What a fired fault does to one operation, and how it can be found again.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace faultinj {

enum class Effect : std::uint32_t {
  kError,              ///< It fails and has done nothing.
  kShortWrite,         ///< Writes only: a part is stored, then it fails.
  kSyncMarkedClean,    ///< Syncs of files only: it fails as SyncFailure says.
  kSyncReverted,       ///< The same.
  kSyncReportedLater,  ///< The same.
  kDelay,              ///< It takes longer, and is then made as if nothing had been.
};

struct Firing {
  Effect effect = Effect::kError;
  int error_number = 0;        ///< kError, kShortWrite.
  std::uint32_t delay_us = 0;  ///< kDelay.
  std::uint32_t lane = 0;      ///< With `ordinal`: which call of the point it was.
  std::uint64_t ordinal = 0;   ///< Calls of the point by this lane before it, since it was armed.
  std::uint64_t dice = 0;      ///< Seeded; for what the effect leaves open.
};

/// Called once per fired fault, before the engine notices anything. Must be async-kill safe: it
/// writes to shared memory. Thread: any.
using FiredCallback = std::function<void(std::string_view point, const Firing& firing)>;

}  // namespace faultinj
