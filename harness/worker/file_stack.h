// The file systems under the engine of a worker, bottom up: the real one, power loss, injected
// errors; a planted defect below or above the errors.
#pragma once

#include <memory>

#include "engine/io/file_system.h"
#include "faultinj/firing.h"
#include "harness/common/worker_config.h"
#include <pluresdb/error.h>

namespace soak::worker {

/// Each layer refers to the one below, so they are destroyed from the top.
class FileStack {
 public:
  /// `journal_fd`: of faultinj/power_loss.h; ignored (may be -1) without the power-loss layer.
  static pluresdb::Result<FileStack> build(const WorkerConfig& config, int journal_fd,
                                           faultinj::FiredCallback fired);
  /// What the engine gets.
  [[nodiscard]] pluresdb::io::FileSystem& top() const { return *top_; }

 private:
  std::unique_ptr<pluresdb::io::FileSystem> power_loss_;
  std::unique_ptr<pluresdb::io::FileSystem> defect_below_;
  std::unique_ptr<pluresdb::io::FileSystem> faults_;
  std::unique_ptr<pluresdb::io::FileSystem> defect_above_;
  pluresdb::io::FileSystem* top_ = nullptr;
};

}  // namespace soak::worker
