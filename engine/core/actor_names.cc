#include "engine/core/actor_names.h"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>

#include "engine/base/check.h"
#include "engine/base/mutex.h"

namespace pluresdb::core {
namespace {

struct Place {
  std::size_t chunk = 0;
  std::size_t chunk_names = 0;
  std::size_t index = 0;
};

Place place_of(std::uint32_t number) {
  const std::uint64_t from_one = std::uint64_t{number} + 1;
  const std::uint64_t chunk_names = std::bit_floor(from_one);
  return {.chunk = static_cast<std::size_t>(std::countr_zero(chunk_names)),
          .chunk_names = chunk_names,
          .index = from_one - chunk_names};
}

}  // namespace

std::uint32_t ActorNames::number_of(std::string_view name) {
  const base::MutexLock lock(mutex_);
  const auto found = numbers_.find(name);
  if (found != numbers_.end()) {
    return found->second;
  }
  DB_CHECK(numbers_.size() < std::numeric_limits<std::uint32_t>::max());
  const auto number = static_cast<std::uint32_t>(numbers_.size());
  const Place place = place_of(number);
  if (place.index == 0) {
    chunks_[place.chunk] = std::make_unique<std::string[]>(place.chunk_names);
  }
  std::string& kept = chunks_[place.chunk][place.index];
  kept = name;
  numbers_.emplace(kept, number);
  return number;
}

std::string_view ActorNames::name_of(std::uint32_t number) const {
  const Place place = place_of(number);
  return chunks_[place.chunk][place.index];
}

}  // namespace pluresdb::core
