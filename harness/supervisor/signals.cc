// signalfd: the loop polls it together with everything else.
#include "harness/supervisor/signals.h"

#include <cerrno>
#include <csignal>
#include <utility>

#include <poll.h>
#include <signal.h>
#include <sys/poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "harness/supervisor/unique_fd.h"
#include "pluresdb/error.h"

namespace soak::supervisor {

pluresdb::Result<Signals> Signals::catch_stop_signals() {
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGINT);
  sigaddset(&stop, SIGTERM);
  if (const int error = pthread_sigmask(SIG_BLOCK, &stop, nullptr); error != 0) {
    return pluresdb::fail(pluresdb::ErrorCode::kIo, "block SIGINT and SIGTERM", error);
  }
  UniqueFd descriptor(::signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!descriptor.open()) {
    return pluresdb::fail(pluresdb::ErrorCode::kIo, "signalfd", errno);
  }
  return Signals(std::move(descriptor));
}

int Signals::count() {
  signalfd_siginfo info{};
  while (::read(descriptor_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    ++count_;
  }
  return count_;
}

void Signals::wait_for(int count) {
  while (this->count() < count) {
    pollfd entry{.fd = descriptor_.get(), .events = POLLIN, .revents = 0};
    ::poll(&entry, 1, -1);
  }
}

}  // namespace soak::supervisor
