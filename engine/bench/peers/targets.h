// The targets of this engine against its peers, and whether a run met them. Only the limits are
// constants here.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/bench/peers/report.h"

namespace pluresdb::bench {

struct TargetOutcome {
  std::string what;     ///< "200 B, 4 writers, against rocksdb".
  std::string subject;  ///< Which of ours.
  std::string unit;     ///< "x", "s", "MiB", "documents/s".
  double wanted = 0;
  bool at_least = true;            ///< Else at most.
  std::optional<double> measured;  ///< nullopt: this run did not measure it.

  /// "met", "missed" or "not measured".
  [[nodiscard]] const char* verdict() const;
};

std::vector<TargetOutcome> judge_targets(const RunReport& report);

}  // namespace pluresdb::bench
