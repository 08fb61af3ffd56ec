// One end of the socket between supervisor and worker: whole ControlPackets, in order.
#pragma once

#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "harness/common/worker_protocol.h"
#include <pluresdb/error.h>

namespace soak {

/// Owns its descriptor. Thread: one at a time per direction.
class ControlChannel {
 public:
  ControlChannel() = default;
  explicit ControlChannel(int fd) : fd_(fd) {}
  ~ControlChannel();
  ControlChannel(ControlChannel&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ControlChannel& operator=(ControlChannel&& other) noexcept;
  ControlChannel(const ControlChannel&) = delete;
  ControlChannel& operator=(const ControlChannel&) = delete;

  /// kIo when the other end is closed (EPIPE: no signal) or its queue stays full for 10 s.
  pluresdb::Status send(const ControlPacket& packet);

  enum class ReceiveState { kPacket, kTimeout, kClosed };
  /// Waits up to `timeout` (0: only looks; negative: for ever). kClosed: the other end is gone.
  pluresdb::Result<ReceiveState> receive(ControlPacket& packet, std::chrono::milliseconds timeout);

  /// To poll, or to hand to a child. -1 after close().
  [[nodiscard]] int fd() const { return fd_; }
  void close();

  /// Two connected ends, both close-on-exec.
  static pluresdb::Result<std::pair<ControlChannel, ControlChannel>> create_pair();

 private:
  int fd_ = -1;
};

/// Text of a packet: cut at 255 bytes when set, ends at the first NUL when read.
void set_packet_text(ControlPacket& packet, std::string_view text);
std::string packet_text(const ControlPacket& packet);

}  // namespace soak
