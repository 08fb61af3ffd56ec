// Asks a metrics endpoint of loopback as Prometheus does, for tests.
#pragma once

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace soak {

/// The port of "ADDRESS:PORT...".
inline int port_of(const std::string& address) {
  int port = 0;
  const std::size_t colon = address.rfind(':');
  EXPECT_NE(colon, std::string::npos) << address;
  std::from_chars(address.data() + colon + 1, address.data() + address.size(), port);
  return port;
}

inline sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

inline const sockaddr* generic(const sockaddr_in& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

/// The body of GET /metrics; empty on any error.
inline std::string scrape(int port) {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  if (::connect(descriptor, generic(address), sizeof(address)) != 0) {
    ::close(descriptor);
    return {};
  }
  constexpr std::string_view kRequest =
      "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  EXPECT_EQ(::send(descriptor, kRequest.data(), kRequest.size(), 0),
            static_cast<ssize_t>(kRequest.size()));
  std::string response;
  std::array<char, 16384> buffer{};
  for (ssize_t got = ::recv(descriptor, buffer.data(), buffer.size(), 0); got > 0;
       got = ::recv(descriptor, buffer.data(), buffer.size(), 0)) {
    response.append(buffer.data(), static_cast<std::size_t>(got));
  }
  ::close(descriptor);
  EXPECT_TRUE(response.starts_with("HTTP/1.1 200")) << response.substr(0, 100);
  const std::size_t body = response.find("\r\n\r\n");
  return body == std::string::npos ? std::string{} : response.substr(body + 4);
}

}  // namespace soak
