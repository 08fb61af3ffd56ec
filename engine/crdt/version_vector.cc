#include "engine/crdt/version_vector.h"

#include <algorithm>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace pluresdb::crdt {
namespace {

bool contains(const VersionVector& outer, const VersionVector& inner) {
  return std::ranges::all_of(inner.entries(), [&](const auto& entry) {
    return outer.includes(entry.first, entry.second);
  });
}

}  // namespace

std::uint64_t VersionVector::get(std::string_view actor) const {
  const auto found = highest_.find(actor);
  return found == highest_.end() ? 0 : found->second;
}

void VersionVector::advance(std::string_view actor, std::uint64_t actor_seq) {
  set(actor, std::max(get(actor), actor_seq));
}

void VersionVector::set(std::string_view actor, std::uint64_t actor_seq) {
  const auto found = highest_.find(actor);
  if (actor_seq == 0) {
    if (found != highest_.end()) {
      highest_.erase(found);
    }
    return;
  }
  if (found == highest_.end()) {
    highest_.emplace(std::string(actor), actor_seq);
  } else {
    found->second = actor_seq;
  }
}

void VersionVector::join(const VersionVector& other) {
  for (const auto& [actor, actor_seq] : other.highest_) {
    advance(actor, actor_seq);
  }
}

std::partial_ordering operator<=>(const VersionVector& left, const VersionVector& right) {
  const bool left_contains = contains(left, right);
  const bool right_contains = contains(right, left);
  if (left_contains && right_contains) {
    return std::partial_ordering::equivalent;
  }
  if (left_contains) {
    return std::partial_ordering::greater;
  }
  return right_contains ? std::partial_ordering::less : std::partial_ordering::unordered;
}

}  // namespace pluresdb::crdt
