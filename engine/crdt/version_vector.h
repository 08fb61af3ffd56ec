// Which writes of which actor are known: the highest actor_seq per actor, one vector per store.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace pluresdb::crdt {

/// An absent actor counts as 0. Thread: one at a time.
class VersionVector {
 public:
  using Map = std::map<std::string, std::uint64_t, std::less<>>;

  VersionVector() = default;
  explicit VersionVector(Map highest) : highest_(std::move(highest)) {}

  [[nodiscard]] std::uint64_t get(std::string_view actor) const;
  /// Raises the entry of `actor`; never lowers it.
  void advance(std::string_view actor, std::uint64_t actor_seq);
  /// Sets the entry of `actor`; 0 removes it.
  void set(std::string_view actor, std::uint64_t actor_seq);
  [[nodiscard]] bool includes(std::string_view actor, std::uint64_t actor_seq) const {
    return get(actor) >= actor_seq;
  }
  /// Least upper bound: per actor the greater of both.
  void join(const VersionVector& other);

  [[nodiscard]] std::size_t size() const { return highest_.size(); }
  [[nodiscard]] const Map& entries() const { return highest_; }

  /// less: strictly contained in `right`; unordered: concurrent.
  friend std::partial_ordering operator<=>(const VersionVector& left, const VersionVector& right);
  friend bool operator==(const VersionVector& left, const VersionVector& right) = default;

 private:
  Map highest_;  ///< No zero values.
};

}  // namespace pluresdb::crdt
