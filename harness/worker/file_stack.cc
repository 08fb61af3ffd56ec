#include "harness/worker/file_stack.h"

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/core.h>

#include "engine/io/file_system.h"
#include "faultinj/defect_file_systems.h"
#include "faultinj/fault_file_system.h"
#include "faultinj/power_loss_file_system.h"
#include "harness/common/worker_config.h"
#include "harness/worker/cipher_watch.h"
#include "harness/worker/defect_target.h"
#include <pluresdb/error.h>

namespace soak::worker {
namespace {

using pluresdb::ErrorCode;
using pluresdb::Result;
using pluresdb::io::FileSystem;

struct SeamDefect {
  std::string_view name;
  std::unique_ptr<FileSystem> (*make)(FileSystem& next, const std::string& root);
  /// Above the injected errors, which it hides; else right above the power-loss layer, so that what
  /// it does not sync is what a power loss takes.
  bool hides_errors;
};
constexpr std::array<SeamDefect, 4> kSeamDefects = {{
    {"lying_fsync", faultinj::make_lying_sync_file_system, false},
    {"dropped_directory_sync", faultinj::make_dropped_directory_sync_file_system, false},
    {"lost_suffix", faultinj::make_lost_suffix_file_system, false},
    {"silent_truncation", faultinj::make_silent_truncation_file_system, true},
}};

const SeamDefect* find_defect(std::string_view name) {
  const auto* const found =
      std::find_if(kSeamDefects.begin(), kSeamDefects.end(),
                   [&](const SeamDefect& defect) { return defect.name == name; });
  return found == kSeamDefects.end() ? nullptr : found;
}

}  // namespace

Result<FileStack> FileStack::build(const WorkerConfig& config, int journal_fd,
                                   faultinj::FiredCallback fired) {
  const SeamDefect* defect = find_defect(config.defect);
  if (defect == nullptr && !config.defect.empty() && !is_target_defect(config.defect) &&
      !is_cipher_defect(config.defect)) {
    return pluresdb::fail(ErrorCode::kInvalidArgument,
                          fmt::format("unknown defect \"{}\"", config.defect));
  }
  FileStack stack;
  stack.top_ = &pluresdb::io::posix_file_system();
  if (config.power_loss_layer) {
    if (journal_fd < 0) {
      return pluresdb::fail(ErrorCode::kInvalidArgument, "the power-loss layer needs --journal-fd");
    }
    TRY_ASSIGN(stack.power_loss_, faultinj::make_power_loss_file_system(
                                      *stack.top_, config.data_directory, journal_fd));
    stack.top_ = stack.power_loss_.get();
  }
  if (defect != nullptr && !defect->hides_errors) {
    stack.defect_below_ = defect->make(*stack.top_, config.data_directory);
    stack.top_ = stack.defect_below_.get();
  }
  if (config.fault_layer) {
    stack.faults_ =
        faultinj::make_fault_file_system(*stack.top_, config.data_directory, std::move(fired));
    stack.top_ = stack.faults_.get();
  }
  if (defect != nullptr && defect->hides_errors) {
    stack.defect_above_ = defect->make(*stack.top_, config.data_directory);
    stack.top_ = stack.defect_above_.get();
  }
  return stack;
}

}  // namespace soak::worker
