// Edit distance (optimal string alignment) and the hints built on it.
#include "harness/scenario/suggest.h"

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace soak::scenario {
namespace {

// What is longer is no typing mistake, and the distance costs the product of the lengths.
constexpr std::size_t kLengthMax = 80;
constexpr std::size_t kListedMax = 16;

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  const std::size_t width = b.size() + 1;
  std::vector<std::size_t> cost((a.size() + 1) * width);
  const auto at = [&](std::size_t i, std::size_t j) -> std::size_t& { return cost[i * width + j]; };
  for (std::size_t i = 0; i <= a.size(); ++i) {
    at(i, 0) = i;
  }
  for (std::size_t j = 0; j <= b.size(); ++j) {
    at(0, j) = j;
  }
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
      std::size_t best = std::min({at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        best = std::min(best, at(i - 2, j - 2) + 1);
      }
      at(i, j) = best;
    }
  }
  return at(a.size(), b.size());
}

std::string_view nearest(std::string_view written, std::span<const std::string_view> known) {
  if (written.empty() || written.size() > kLengthMax) {
    return {};
  }
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(1, written.size() / 3) + 1;
  for (const std::string_view word : known) {
    const std::size_t distance = edit_distance(written, word);
    if (distance < best_distance) {
      best_distance = distance;
      best = word;
    }
  }
  return best;
}

std::string hint(std::string_view written, std::span<const std::string_view> known) {
  if (const std::string_view word = nearest(written, known); !word.empty()) {
    return fmt::format("; did you mean `{}`?", word);
  }
  if (known.size() <= kListedMax && !known.empty()) {
    return fmt::format("; known are {}", fmt::join(known, ", "));
  }
  return {};
}

}  // namespace soak::scenario
