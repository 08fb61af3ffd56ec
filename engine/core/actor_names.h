// Names of actors as small numbers: every document in the table and the version vector refer to
// one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "engine/base/mutex.h"

namespace pluresdb::core {

/// Numbers are dense from 0 and kept for ever, as the version vector keeps every actor.
class ActorNames {
 public:
  /// The number of `name`, a new one when it has none. Thread: any.
  std::uint32_t number_of(std::string_view name);
  /// Takes no lock. Thread: any that learned the number from one that had it from number_of.
  [[nodiscard]] std::string_view name_of(std::uint32_t number) const;

 private:
  // Chunk k holds 2^k names, so that none ever moves.
  static constexpr std::size_t kChunks = 32;

  mutable base::Mutex mutex_;
  std::map<std::string_view, std::uint32_t, std::less<>> numbers_ GUARDED_BY(mutex_);
  // Not guarded: a place is written once, before its number is given out.
  std::array<std::unique_ptr<std::string[]>, kChunks> chunks_;
};

}  // namespace pluresdb::core
