// Limits that several sections of the scenario language share.
#pragma once

namespace soak::scenario {

inline constexpr double kKiB = 1024;
inline constexpr double kMiB = 1024 * kKiB;
inline constexpr double kGiB = 1024 * kMiB;
inline constexpr double kDay = 86400;
inline constexpr double kLargestInteger = 9007199254740991.0;  // 2^53 - 1: exact as a double.

}  // namespace soak::scenario
