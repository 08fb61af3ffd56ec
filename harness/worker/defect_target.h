// Planted defects of a store, for negative scenarios: a Target that is honest but for one thing.
// Those of the file system below the engine are in faultinj/defect_file_systems.h.
#pragma once

#include <memory>
#include <string_view>

#include "harness/common/worker_config.h"
#include "harness/worker/target.h"

namespace soak::worker {

/// Whether this file knows the defect `name`.
bool is_target_defect(std::string_view name);

/// `config` as the engine is opened with it: early_ack is an engine that promises less than the
/// scenario says.
WorkerConfig config_with_defect(const WorkerConfig& config);

/// `target` with config.defect planted in it, or as it is.
std::unique_ptr<Target> plant_defect(const WorkerConfig& config, std::unique_ptr<Target> target);

}  // namespace soak::worker
