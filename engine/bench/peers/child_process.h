// A forked process that runs one function and answers through a socket. Each peer has its own, so
// that memory, processor time and a kill concern nobody else; it is stopped while others are
// measured.
//
// Fork only while the calling process has one thread.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <type_traits>

#include <sys/types.h>

#include <pluresdb/error.h>

namespace pluresdb::bench {

/// One end of a socket; a message is a whole block of bytes. Both ends are the same program.
class Channel {
 public:
  explicit Channel(int descriptor) : descriptor_(descriptor) {}
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  Channel(Channel&&) = delete;
  Channel& operator=(Channel&&) = delete;

  template <typename T>
    requires std::is_trivially_copyable_v<T>
  Status send(const T& message) {
    return send_bytes(std::as_bytes(std::span(&message, 1)));
  }
  /// kNotFound when the other end is gone.
  template <typename T>
    requires std::is_trivially_copyable_v<T>
  Result<T> receive() {
    T message{};
    TRY(receive_bytes(std::as_writable_bytes(std::span(&message, 1))));
    return message;
  }

 private:
  Status send_bytes(std::span<const std::byte> bytes);
  Status receive_bytes(std::span<std::byte> bytes);

  int descriptor_;
};

class ChildProcess {
 public:
  /// Forks; the child runs `body` and ends. It dies with its parent.
  static Result<std::unique_ptr<ChildProcess>> start(const std::function<void(Channel&)>& body);
  /// Kills it when it still runs.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  ChildProcess(ChildProcess&&) = delete;
  ChildProcess& operator=(ChildProcess&&) = delete;

  Channel& channel() { return channel_; }
  /// SIGSTOP and SIGCONT: its background threads stand still as well.
  void stop();
  void go_on();
  /// kill -9, and waits until it is gone.
  void kill();

 private:
  ChildProcess(pid_t pid, int descriptor) : pid_(pid), channel_(descriptor) {}

  pid_t pid_;  // 0: gone.
  Channel channel_;
};

}  // namespace pluresdb::bench
