// The engine under test as a Target.
#pragma once

#include <memory>

#include "engine/base/clock.h"
#include "engine/io/file_system.h"
#include "harness/common/worker_config.h"
#include "harness/worker/target.h"
#include <pluresdb/error.h>

namespace soak::worker {

/// Opens (or creates) the store in config.data_directory through `files`, which outlives it.
/// `files` and `clock` outlive it.
pluresdb::Result<std::unique_ptr<Target>> open_pluresdb_target(const WorkerConfig& config,
                                                               pluresdb::io::FileSystem& files,
                                                               pluresdb::Clock& clock);

}  // namespace soak::worker
