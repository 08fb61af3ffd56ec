#include "harness/common/control_channel.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <fmt/core.h>
#include <sys/poll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include "harness/common/worker_protocol.h"
#include <pluresdb/error.h>

namespace soak {
namespace {

using pluresdb::ErrorCode;
using pluresdb::Result;
using pluresdb::Status;

static_assert(std::is_trivially_copyable_v<ControlPacket>);

constexpr std::chrono::milliseconds kSendTimeout{10'000};

// True when `events` came, false at the timeout; interrupted waits go on with what is left.
Result<bool> wait_for(int fd, short events, std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (true) {
    int left = -1;
    if (timeout.count() >= 0) {
      // Rounded up: a wait that ends before its deadline would spin.
      const auto rest = std::chrono::duration_cast<std::chrono::milliseconds>(
          deadline - std::chrono::steady_clock::now() + std::chrono::nanoseconds(999'999));
      left = static_cast<int>(std::max<std::chrono::milliseconds::rep>(0, rest.count()));
    }
    pollfd poll_entry{.fd = fd, .events = events, .revents = 0};
    const int ready = poll(&poll_entry, 1, left);
    if (ready >= 0) {
      return ready > 0;
    }
    if (errno != EINTR) {
      return pluresdb::fail(ErrorCode::kIo, "poll the control channel", errno);
    }
  }
}

}  // namespace

ControlChannel::~ControlChannel() { close(); }

ControlChannel& ControlChannel::operator=(ControlChannel&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

void ControlChannel::close() {
  if (fd_ >= 0) {
    ::close(fd_);
    fd_ = -1;
  }
}

Status ControlChannel::send(const ControlPacket& packet) {
  while (true) {
    TRY_ASSIGN(const bool writable, wait_for(fd_, POLLOUT, kSendTimeout));
    if (!writable) {
      return pluresdb::fail(ErrorCode::kIo, "send on the control channel: the other end is stuck");
    }
    const ssize_t sent =
        ::send(fd_, &packet, sizeof(packet), MSG_NOSIGNAL | MSG_DONTWAIT | MSG_EOR);
    if (sent == static_cast<ssize_t>(sizeof(packet))) {
      return {};
    }
    if (sent >= 0 || (errno != EINTR && errno != EAGAIN)) {
      return pluresdb::fail(ErrorCode::kIo, "send on the control channel", sent < 0 ? errno : 0);
    }
  }
}

Result<ControlChannel::ReceiveState> ControlChannel::receive(ControlPacket& packet,
                                                             std::chrono::milliseconds timeout) {
  while (true) {
    TRY_ASSIGN(const bool readable, wait_for(fd_, POLLIN, timeout));
    if (!readable) {
      return ReceiveState::kTimeout;
    }
    const ssize_t received = recv(fd_, &packet, sizeof(packet), MSG_DONTWAIT);
    if (received == static_cast<ssize_t>(sizeof(packet))) {
      return ReceiveState::kPacket;
    }
    if (received == 0 || (received < 0 && errno == ECONNRESET)) {
      return ReceiveState::kClosed;
    }
    if (received > 0) {
      return pluresdb::fail(ErrorCode::kIo,
                            fmt::format("a control packet of {} bytes instead of {}: supervisor "
                                        "and worker are of different versions",
                                        received, sizeof(packet)));
    }
    if (errno != EINTR && errno != EAGAIN) {
      return pluresdb::fail(ErrorCode::kIo, "receive on the control channel", errno);
    }
  }
}

Result<std::pair<ControlChannel, ControlChannel>> ControlChannel::create_pair() {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return pluresdb::fail(ErrorCode::kIo, "create the control channel", errno);
  }
  return std::pair(ControlChannel(ends[0]), ControlChannel(ends[1]));
}

void set_packet_text(ControlPacket& packet, std::string_view text) {
  packet.text.fill('\0');
  std::memcpy(packet.text.data(), text.data(), std::min(text.size(), packet.text.size() - 1));
}

std::string packet_text(const ControlPacket& packet) {
  return std::string(packet.text.begin(), std::find(packet.text.begin(), packet.text.end(), '\0'));
}

}  // namespace soak
