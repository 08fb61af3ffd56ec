// SIGINT and SIGTERM as something to look at, not as something that interrupts.
#pragma once

#include <utility>

#include "harness/supervisor/unique_fd.h"
#include <pluresdb/error.h>

namespace soak::supervisor {

class Signals {
 public:
  /// Blocks both signals in the calling thread and those it starts later; call before any thread
  /// exists. Errors: kIo.
  static pluresdb::Result<Signals> catch_stop_signals();

  /// Stop signals seen so far: 1 ends the run with a report, 2 aborts it.
  int count();
  /// Readable when one has come.
  [[nodiscard]] int descriptor() const { return descriptor_.get(); }
  /// Waits until there have been `count`; for --hold.
  void wait_for(int count);

 private:
  explicit Signals(UniqueFd descriptor) : descriptor_(std::move(descriptor)) {}
  UniqueFd descriptor_;
  int count_ = 0;
};

}  // namespace soak::supervisor
