#include "harness/worker/file_stack.h"

#include <utility>

#include <fmt/core.h>

#include "engine/io/file_system.h"
#include "faultinj/fault_file_system.h"
#include "faultinj/power_loss_file_system.h"
#include "harness/common/worker_config.h"
#include <pluresdb/error.h>

namespace soak::worker {

using pluresdb::ErrorCode;
using pluresdb::Result;

Result<FileStack> FileStack::build(const WorkerConfig& config, int journal_fd,
                                   faultinj::FiredCallback fired) {
  FileStack stack;
  pluresdb::io::FileSystem* below = &pluresdb::io::posix_file_system();
  if (config.power_loss_layer) {
    if (journal_fd < 0) {
      return pluresdb::fail(ErrorCode::kInvalidArgument, "the power-loss layer needs --journal-fd");
    }
    TRY_ASSIGN(stack.power_loss_,
               faultinj::make_power_loss_file_system(*below, config.data_directory, journal_fd));
    below = stack.power_loss_.get();
  }
  // Above the power-loss layer, so that what the defect does not sync is what a power loss takes.
  if (config.defect == "lying_fsync") {
    stack.defect_ = faultinj::make_lying_sync_file_system(*below, config.data_directory);
    below = stack.defect_.get();
  } else if (!config.defect.empty()) {
    return pluresdb::fail(ErrorCode::kInvalidArgument,
                          fmt::format("unknown defect \"{}\"", config.defect));
  }
  stack.faults_ = faultinj::make_fault_file_system(*below, config.data_directory, std::move(fired));
  return stack;
}

}  // namespace soak::worker
