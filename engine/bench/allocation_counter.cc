// See allocation_counter.h.
#include "engine/bench/allocation_counter.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

#include <malloc.h>

#include "engine/base/check.h"

namespace pluresdb::bench {
namespace {

struct Counts {
  bool is_counting = false;
  std::int64_t bytes = 0;
  std::int64_t peak_bytes = 0;
};
// One for each thread, because operator new has no other way to find it.
thread_local constinit Counts counts;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

void* counted(void* block) {
  DB_CHECK(block != nullptr);  // As everywhere in the engine: no memory ends the program.
  if (counts.is_counting) {
    counts.bytes += static_cast<std::int64_t>(::malloc_usable_size(block));
    counts.peak_bytes = std::max(counts.peak_bytes, counts.bytes);
  }
  return block;
}

void release(void* block) {
  if (counts.is_counting) {
    counts.bytes -= static_cast<std::int64_t>(::malloc_usable_size(block));
  }
  std::free(block);
}

}  // namespace

AllocationCounter::AllocationCounter() {
  DB_CHECK(!counts.is_counting);
  counts = {.is_counting = true};
}
AllocationCounter::~AllocationCounter() { counts.is_counting = false; }
std::int64_t AllocationCounter::bytes() const { return counts.bytes; }
std::int64_t AllocationCounter::peak_bytes() const { return counts.peak_bytes; }
void AllocationCounter::restart_peak() { counts.peak_bytes = counts.bytes; }

}  // namespace pluresdb::bench

using pluresdb::bench::counted;
using pluresdb::bench::release;

// The array and nothrow forms call these.
void* operator new(std::size_t bytes) {
  return counted(std::malloc(std::max<std::size_t>(bytes, 1)));
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  const auto step = static_cast<std::size_t>(alignment);
  return counted(
      std::aligned_alloc(step, (std::max<std::size_t>(bytes, 1) + step - 1) / step * step));
}
void operator delete(void* block) noexcept { release(block); }
void operator delete(void* block, std::size_t /*bytes*/) noexcept { release(block); }
void operator delete(void* block, std::align_val_t /*alignment*/) noexcept { release(block); }
void operator delete(void* block, std::size_t /*bytes*/, std::align_val_t /*alignment*/) noexcept {
  release(block);
}
