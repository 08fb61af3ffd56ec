// Whether files hold what they must not: a search of every byte below a folder, and of every name,
// for strings that would give an encrypted store away.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <pluresdb/error.h>

namespace soak::supervisor {

struct Canary {
  std::string what;  ///< "the beginning of ids shell-0/stdout/".
  std::string bytes;
};

/// What was searched, and what was found. Sums up over several folders.
struct PlaintextSearch {
  std::uint64_t canaries = 0, files = 0, bytes = 0;
  std::uint64_t findings = 0;             ///< Files and names in which a canary was found.
  std::vector<std::string> found{};       ///< The first of them, for people.
  std::vector<std::string> unfinished{};  ///< Why something was not searched.

  static constexpr std::size_t kFoundMax = 20;
  void add(const PlaintextSearch& other);
};

/// Finds many strings in one pass (Wu and Manber): of every two bytes it is known how far the next
/// occurrence of any canary is at least, so most bytes of a ciphertext are never looked at.
class CanarySearch {
 public:
  /// Shorter ones could be met by chance in a ciphertext: 2^-56 for each byte of it.
  static constexpr std::size_t kCanaryBytesMin = 7;

  /// `canaries`: at least one, each of kCanaryBytesMin bytes or more.
  explicit CanarySearch(std::vector<Canary> canaries);

  struct Hit {
    const Canary* canary = nullptr;
    std::size_t offset = 0;
  };
  /// The first one in `bytes`; canary is nullptr when there is none.
  [[nodiscard]] Hit first_in(std::string_view bytes) const;
  /// Every file and name below `folder`, in which nobody writes. One finding for each file.
  [[nodiscard]] PlaintextSearch search(const std::filesystem::path& folder) const;
  [[nodiscard]] std::size_t canaries() const { return canaries_.size(); }

 private:
  void search_file(const std::filesystem::path& file, const std::string& name,
                   PlaintextSearch& result) const;

  std::vector<Canary> canaries_;
  std::size_t shortest_ = 0, longest_ = 0;
  std::vector<std::uint8_t> shifts_;  ///< By the last two bytes of the window.
};

}  // namespace soak::supervisor
