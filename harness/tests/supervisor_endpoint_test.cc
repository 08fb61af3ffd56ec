// Goal: a run serves its metrics where it was told to, and says so when it cannot.
// Method: the real binary with a port of loopback.
#include <csignal>
#include <filesystem>
#include <string>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness/tests/scrape.h"
#include "harness/tests/supervisor_runs.h"

namespace soak::supervisor {
namespace {

namespace fs = std::filesystem;

class SoakEndpoint : public SoakRuns {
 protected:
  SoakEndpoint() { listen_ = "127.0.0.1:0"; }
};

TEST_F(SoakEndpoint, ABusyPortIsStatusFourAndSaysWhatToDo) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(listener, reinterpret_cast<const sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(listener, 1), 0);
  ASSERT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const std::string busy = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  start_words(
      {SOAK_BINARY, "run", write_scenario(kShortLoad), "--out", run().string(), "--listen", busy});
  EXPECT_EQ(finish(), 4);
  ::close(listener);
  EXPECT_TRUE(has(err(), busy) && has(err(), "--listen 127.0.0.1:0")) << err();
  EXPECT_FALSE(fs::exists(run()));
}

TEST_F(SoakEndpoint, MetricsAreServedWhileTheRunGoesOnAndHeldUntilASignal) {
  start(write_scenario(kShortLoad), {"--duration", "1s", "--hold"});
  constexpr std::string_view kAddress = "http://";
  ASSERT_TRUE(wait_until([&] { return has(out(), "/metrics"); })) << screen();
  const std::string screen_text = out();
  const std::size_t begin = screen_text.find(kAddress) + kAddress.size();
  const int port = port_of(screen_text.substr(begin, screen_text.find('/', begin) - begin));
  EXPECT_TRUE(has(scrape(port), "soak_run_info{scenario=\"short load\"")) << screen();

  ASSERT_TRUE(wait_until([&] { return has(err(), "holding: metrics at http://127.0.0.1:"); }))
      << screen();
  EXPECT_TRUE(fs::exists(run() / "summary.json"));
  const std::string held = scrape(port);
  EXPECT_TRUE(has(held, "soak_progress_ratio 1")) << held;
  EXPECT_TRUE(has(held, "soak_operations_total{kind=\"command\",outcome=\"acknowledged\"}"))
      << held;
  send_signal(SIGTERM);
  EXPECT_EQ(finish(), 0) << screen();
}

}  // namespace
}  // namespace soak::supervisor
