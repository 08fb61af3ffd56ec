#include "engine/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace pluresdb::base {

void check_failed(const char* condition, const char* file, int line) {
  (void)std::fprintf(stderr, "%s:%d: check failed: %s\n", file, line, condition);
  std::abort();
}

}  // namespace pluresdb::base
