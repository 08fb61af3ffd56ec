// A set of numbers that come nearly in order: memory by its gaps, not by its size.
#pragma once

#include <cstdint>
#include <iterator>
#include <map>

namespace soak::oracle {

class NumberSet {
 public:
  /// False when it was there already.
  bool insert(std::uint64_t number) {
    const auto next = runs_.upper_bound(number);
    const auto before = next == runs_.begin() ? runs_.end() : std::prev(next);
    if (before != runs_.end() && number <= before->second) {
      return false;
    }
    const bool joins_next = next != runs_.end() && next->first == number + 1;
    const std::uint64_t last = joins_next ? next->second : number;
    if (joins_next) {
      runs_.erase(next);
    }
    if (before != runs_.end() && before->second + 1 == number) {
      before->second = last;
    } else {
      runs_.emplace(number, last);
    }
    return true;
  }
  void clear() { runs_.clear(); }

 private:
  std::map<std::uint64_t, std::uint64_t> runs_;  ///< First -> last.
};

}  // namespace soak::oracle
