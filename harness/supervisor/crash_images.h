// Crash states of the live store, recovered beside the run: one run then examines many of them
// instead of one per kill.
//
// A clone is the data directory and the journal of unsynced bytes, copied while the worker stands
// still. A process forked at that instant has the oracle as it was then. It makes images of the
// clone, each what another power loss would have left, lets a worker of its own recover each, and
// compares everything with that oracle. The run goes on meanwhile.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "harness/common/worker_config.h"
#include "harness/oracle/oracle.h"
#include "harness/scenario/scenario.h"
#include "harness/supervisor/image_result.h"
#include "harness/supervisor/run_folder.h"
#include "harness/supervisor/unique_fd.h"
#include <pluresdb/error.h>

namespace soak::supervisor {

/// All outlive it.
struct CrashImageParts {
  const scenario::Scenario& scenario;
  const RunFolder& folder;
  const std::string& worker_binary;
  const std::vector<AgentConfig>& agents;
  int journal_descriptor;
  oracle::Oracle& oracle;
};

class CrashImages {
 public:
  explicit CrashImages(const CrashImageParts& parts) : parts_(parts) {}
  ~CrashImages() { abandon(); }
  CrashImages(const CrashImages&) = delete;
  CrashImages& operator=(const CrashImages&) = delete;
  CrashImages(CrashImages&&) = delete;
  CrashImages& operator=(CrashImages&&) = delete;

  /// An earlier clone is still being examined.
  [[nodiscard]] bool is_busy() const { return examiner_ > 0; }
  /// The worker must stand still, and everything it published must be with the oracle. Errors: kIo,
  /// kNoSpace.
  pluresdb::Status clone(const scenario::FaultSection& fault, std::uint32_t incarnation,
                         std::uint64_t seed);
  /// Those that have come since the last call; when the last one has, is_busy() is false. Never
  /// waits.
  std::vector<ImageResult> take_results();
  /// Ends what is still going on, without results.
  void abandon();

  /// True the first time that it is asked of a hash.
  bool is_new(std::uint64_t hash) { return hashes_.insert(hash).second; }

 private:
  [[nodiscard]] std::string folder_of(std::uint32_t clone) const;
  void reap();

  CrashImageParts parts_;
  std::uint32_t clones_ = 0;
  int examiner_ = -1;
  UniqueFd results_;
  std::set<std::uint64_t> hashes_;
};

}  // namespace soak::supervisor
