// What the engine asks of the kernel about its own process.
#include <cerrno>

#include <sys/prctl.h>
#include <sys/resource.h>

#include "engine/io/process_protection.h"
#include <pluresdb/error.h>

namespace pluresdb::io {

Status protect_process() {
  const struct rlimit no_core{};
  if (::setrlimit(RLIMIT_CORE, &no_core) != 0) {
    return fail(ErrorCode::kIo, "forbid core dumps", errno);
  }
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
    return fail(ErrorCode::kIo, "forbid reading this process's memory", errno);
  }
  return {};
}

}  // namespace pluresdb::io
