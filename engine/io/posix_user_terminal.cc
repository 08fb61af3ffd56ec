// The signals stay pending and are looked at: there is no handler, and no state that it would need.
#include <csignal>
#include <ctime>

#include <signal.h>
#include <unistd.h>

#include "engine/base/check.h"
#include "engine/io/user_terminal.h"

namespace pluresdb::io {
namespace {

sigset_t interrupts() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

bool is_error_terminal() { return ::isatty(STDERR_FILENO) == 1; }

InterruptWatch::InterruptWatch() {
  const sigset_t set = interrupts();
  sigset_t before;
  DB_CHECK(pthread_sigmask(SIG_BLOCK, &set, &before) == 0);
  was_blocked_ = sigismember(&before, SIGINT) == 1;
}

InterruptWatch::~InterruptWatch() {
  const sigset_t set = interrupts();
  const timespec at_once{};
  while (sigtimedwait(&set, nullptr, &at_once) > 0) {
  }
  if (!was_blocked_) {
    (void)pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  }
}

bool InterruptWatch::is_interrupted() const {
  sigset_t pending;
  sigemptyset(&pending);
  return sigpending(&pending) == 0 &&
         (sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1);
}

}  // namespace pluresdb::io
