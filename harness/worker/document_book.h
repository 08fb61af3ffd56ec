// Which documents an agent has, as far as it knows: where each stream goes on, what may be read,
// and what has outlived its retention. No I/O.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>

#include "harness/common/operation.h"
#include "harness/common/worker_config.h"

namespace soak::worker {

using TimePoint = std::chrono::steady_clock::time_point;

class DocumentBook {
 public:
  /// Documents from before `now` get ages spread evenly over the retention, because nothing knows
  /// their true ones: deletion goes on at its rate, however often the worker is killed.
  DocumentBook(const AgentConfig& config, TimePoint now);

  /// The number that the next document of `stream` gets: appended streams count, overwritten ones
  /// choose by `random`.
  [[nodiscard]] std::uint64_t number_to_write(OperationKind stream, std::uint64_t random) const;
  /// The document may be there from now on (acknowledged or maybe).
  void written(OperationKind stream, std::uint64_t number, TimePoint now);
  /// The document is deleted, or may be: the agent counts on it no longer.
  void erased(OperationKind stream, std::uint64_t number);

  struct Choice {
    OperationKind stream = OperationKind::kMemory;
    std::uint64_t number = 0;
  };
  /// An appended document whose retention has passed.
  [[nodiscard]] std::optional<Choice> expired(TimePoint now) const;
  /// Something to delete: an appended stream's oldest document, or any overwritten one.
  [[nodiscard]] Choice to_erase(std::uint64_t random) const;
  /// Something to read: mostly what should be there, newer documents more often, a few that must be
  /// absent.
  [[nodiscard]] Choice to_read(std::uint64_t random) const;

 private:
  struct AppendedStream {
    std::uint64_t first = 0;  ///< Oldest that is not deleted.
    std::uint64_t next = 0;
    std::uint64_t old_first = 0;  ///< [old_first, old_next): from before the start.
    std::uint64_t old_next = 0;
    std::deque<TimePoint> written;  ///< Of the numbers from max(first, old_next) on.
  };
  [[nodiscard]] TimePoint expiry(const AppendedStream& stream) const;

  std::chrono::nanoseconds retention_;  ///< Zero: kept.
  TimePoint start_;
  std::array<bool, kOperationKindCount> in_mix_{};
  std::array<AppendedStream, kOperationKindCount> appended_;  ///< Used for appended streams.
};

}  // namespace soak::worker
