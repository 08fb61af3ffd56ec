// Puts every file of an encrypted store under new data keys, so that older master keys can go.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace pluresdb {

/// How far a re-encryption is, in bytes of files. Both grow or stay.
struct ReencryptProgress {
  std::uint64_t done_bytes = 0;
  std::uint64_t total_bytes = 0;
};

struct ReencryptOptions {
  /// Between two files it waits until no more than this was read per second; 0: it never waits.
  std::uint64_t bytes_per_second = 16ULL << 20;
  /// Called from the calling thread, about once per MiB and after each file; false cancels. May be
  /// empty. It may read and write documents, but must not call checkpoint() or close().
  std::function<bool(const ReencryptProgress&)> progress;
  /// True cancels, from any thread. May be null.
  const std::atomic<bool>* cancel = nullptr;
};

struct ReencryptStats {
  std::uint64_t files = 0;  ///< Put under a new key, or removed because nothing needs them.
  std::uint64_t bytes = 0;  ///< Of these.
  /// The newest master key, which every file is under now, `left` excepted.
  std::uint32_t generation = 0;
  std::uint64_t generations_dropped = 0;  ///< Older master keys that are gone.
  /// Files that still need an older master key, one line each, with the reason. As long as there is
  /// one, no master key goes.
  std::vector<std::string> left;
  double duration_seconds = 0;
};

}  // namespace pluresdb
