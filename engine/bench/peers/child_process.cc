// See child_process.h.
#include "engine/bench/peers/child_process.h"

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <functional>
#include <memory>
#include <span>

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pluresdb/error.h>

namespace pluresdb::bench {

Channel::~Channel() { (void)::close(descriptor_); }

Status Channel::send_bytes(std::span<const std::byte> bytes) {
  ssize_t count = -1;
  do {
    count = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  } while (count < 0 && errno == EINTR);
  if (count != static_cast<ssize_t>(bytes.size())) {
    return fail(ErrorCode::kIo, "send to another process", errno);
  }
  return {};
}

Status Channel::receive_bytes(std::span<std::byte> bytes) {
  ssize_t count = -1;
  do {
    count = ::recv(descriptor_, bytes.data(), bytes.size(), 0);
  } while (count < 0 && errno == EINTR);
  if (count == 0) {
    return fail(ErrorCode::kNotFound, "the other process has ended");
  }
  if (count != static_cast<ssize_t>(bytes.size())) {
    return fail(ErrorCode::kIo, "receive from another process", errno);
  }
  return {};
}

Result<std::unique_ptr<ChildProcess>> ChildProcess::start(
    const std::function<void(Channel&)>& body) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return fail(ErrorCode::kIo, "socketpair", errno);
  }
  (void)std::fflush(nullptr);  // Or the child would have the same text to print.
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) {
    const int error_number = errno;
    (void)::close(ends[0]);
    (void)::close(ends[1]);
    return fail(ErrorCode::kIo, "fork", error_number);
  }
  if (pid == 0) {
    (void)::close(ends[0]);
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::getppid() != parent) {
      ::_exit(1);
    }
    {
      Channel channel(ends[1]);
      body(channel);
    }
    ::_exit(0);  // The parent's buffers and statics are not this process's to destroy.
  }
  (void)::close(ends[1]);
  return std::unique_ptr<ChildProcess>(new ChildProcess(pid, ends[0]));
}

ChildProcess::~ChildProcess() { kill(); }

void ChildProcess::stop() { (void)::kill(pid_, SIGSTOP); }
void ChildProcess::go_on() { (void)::kill(pid_, SIGCONT); }

void ChildProcess::kill() {
  if (pid_ == 0) {
    return;
  }
  (void)::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = 0;
}

}  // namespace pluresdb::bench
