// The life of a worker process: open the store, obey the supervisor, end (worker_protocol.h).
#pragma once

#include <string>

namespace soak::worker {

struct WorkerArguments {
  int control_fd = -1;
  int region_fd = -1;
  int journal_fd = -1;
  std::string config_file;
};

/// Returns the exit status: 0 closed as asked, 1 the close failed or the supervisor is gone, 4 the
/// store could not be opened (also sent as kOpenFailed).
int run_worker(const WorkerArguments& arguments);

}  // namespace soak::worker
