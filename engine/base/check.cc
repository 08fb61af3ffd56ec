#include "engine/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace pluresdb::base {

void check_failed(const char* condition, const char* file, int line) {
  (void)std::fprintf(stderr, "%s:%d: check failed: %s\n", file, line, condition);
  std::abort();
}

void out_of_memory(const char* what) {
  (void)std::fprintf(stderr, "%s: out of memory\n", what);
  std::abort();
}

}  // namespace pluresdb::base
