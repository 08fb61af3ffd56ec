// "Did you mean": the known word nearest to what was written.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace soak::scenario {

/// Insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b`.
std::size_t edit_distance(std::string_view a, std::string_view b);
/// The nearest of `known`, or empty when none is near enough to be what was meant.
std::string_view nearest(std::string_view written, std::span<const std::string_view> known);
/// "; did you mean `x`?", or "; known are a, b, c" for a short list, or empty.
std::string hint(std::string_view written, std::span<const std::string_view> known);

}  // namespace soak::scenario
