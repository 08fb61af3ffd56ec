// Goal: a live line on a terminal, plain lines in a log, and never an escape sequence in the
// latter. Method: the view writes to a pseudo terminal or a pipe, whose other end is read.
#include <array>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "harness/report/format.h"
#include "harness/report/reports.h"
#include "harness/report/terminal_view.h"

namespace soak::report {
namespace {

LiveStatus example_status(double elapsed = 31) {
  LiveStatus status;
  status.elapsed_seconds = elapsed;
  status.planned_seconds = 60;
  status.operations_per_second = 12345;
  status.acknowledged = 371002;
  status.maybes = 11;
  status.crashes = 4;
  status.recoveries = 4;
  status.faults_fired = 9;
  status.last_recovery_seconds = 0.41;
  status.resident_bytes = 82ULL << 20;
  status.wal_segments = 7;
  status.wal_bytes = 56ULL << 20;
  status.phase = "running";
  return status;
}

/// Both ends of a pseudo terminal or a pipe. The reader does not block.
class Channel {
 public:
  static Channel pseudo_terminal(unsigned short columns) {
    Channel channel;
    channel.reader_ = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    std::array<char, 64> name{};
    EXPECT_EQ(::grantpt(channel.reader_), 0);
    EXPECT_EQ(::unlockpt(channel.reader_), 0);
    EXPECT_EQ(::ptsname_r(channel.reader_, name.data(), name.size()), 0);
    channel.writer_ = ::open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC);
    termios settings{};
    EXPECT_EQ(::tcgetattr(channel.writer_, &settings), 0);
    ::cfmakeraw(&settings);
    EXPECT_EQ(::tcsetattr(channel.writer_, TCSANOW, &settings), 0);
    channel.resize(columns);
    EXPECT_EQ(::fcntl(channel.reader_, F_SETFL, O_NONBLOCK), 0);
    return channel;
  }
  static Channel pipe() {
    Channel channel;
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    channel.reader_ = ends[0];
    channel.writer_ = ends[1];
    EXPECT_EQ(::fcntl(channel.reader_, F_SETFL, O_NONBLOCK), 0);
    return channel;
  }
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  Channel(Channel&& other) noexcept : reader_(other.reader_), writer_(other.writer_) {
    other.reader_ = other.writer_ = -1;
  }
  Channel& operator=(Channel&&) = delete;
  ~Channel() {
    if (reader_ >= 0) {
      ::close(reader_);
      ::close(writer_);
    }
  }
  void resize(unsigned short columns) const {
    winsize size{};
    size.ws_col = columns;
    size.ws_row = 24;
    EXPECT_EQ(::ioctl(writer_, TIOCSWINSZ, &size), 0);
  }
  [[nodiscard]] int writer() const { return writer_; }
  [[nodiscard]] std::string read_all() const {
    std::string out;
    std::array<char, 4096> buffer{};
    for (ssize_t got = ::read(reader_, buffer.data(), buffer.size()); got > 0;
         got = ::read(reader_, buffer.data(), buffer.size())) {
      out.append(buffer.data(), static_cast<std::size_t>(got));
    }
    return out;
  }

 private:
  Channel() = default;
  int reader_ = -1, writer_ = -1;
};

std::size_t count(std::string_view text, std::string_view what) {
  std::size_t found = 0;
  for (std::size_t at = text.find(what); at != std::string_view::npos;
       at = text.find(what, at + what.size())) {
    ++found;
  }
  return found;
}

class TerminalTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(::setenv("TERM", "xterm", 1), 0); }
};

TEST(StatusLine, ShowsEverythingWhenThereIsRoom) {
  EXPECT_EQ(status_line(example_status(), 250, false, false),
            " 51 %  0:31  running  12.3 k op/s  acked 371,002  crashes 4  recoveries 4 (410 ms)  "
            "faults 9  maybes 11  RSS 82.0 MiB  WAL 56.0 MiB in 7 segments  ETA 0:29");
}

TEST(StatusLine, NeverIsWiderThanTheTerminal) {
  for (std::size_t columns = 20; columns < 250; ++columns) {
    const std::string line = status_line(example_status(), columns, true, false);
    EXPECT_LE(text_width(line), columns);
    EXPECT_NE(line.find("51 %"), std::string::npos);
  }
  EXPECT_NE(status_line(example_status(), 80, true, false).find("acked 371,002"),
            std::string::npos);
}

TEST(StatusLine, ViolationsStayHoweverNarrowItIs) {
  LiveStatus status = example_status();
  status.violations = 3;
  EXPECT_NE(status_line(status, 40, true, false).find("3 VIOLATIONS"), std::string::npos);
}

TEST(StatusLine, ColourOnlyWhenAsked) {
  EXPECT_EQ(count(status_line(example_status(), 120, true, false), "\x1b"), 0U);
  EXPECT_GT(count(status_line(example_status(), 120, true, true), "\x1b"), 4U);
}

TEST(StatusLine, BarAndEtaKeepTheirBoundsBeyondTheEnd) {
  LiveStatus status = example_status(75);
  const std::string line = status_line(status, 200, true, false);
  EXPECT_EQ(count(line, "█"), 20U);
  EXPECT_NE(line.find("100 %"), std::string::npos);
  EXPECT_NE(line.find("ETA 0:00"), std::string::npos);
  status.planned_seconds = 0;
  EXPECT_NE(status_line(status, 200, true, false).find("  0 %"), std::string::npos);
}

TEST_F(TerminalTest, RedrawsOneLineAndScrollsEventsAboveIt) {
  const Channel channel = Channel::pseudo_terminal(100);
  const std::unique_ptr<Terminal> terminal = create_terminal(channel.writer(), false);
  const std::string line = status_line(example_status(), 99, true, false);
  terminal->status(example_status());
  EXPECT_EQ(channel.read_all(), "\r\x1b[K" + line);
  terminal->event(31, EventLevel::kFault, "kill: worker 4");
  EXPECT_EQ(channel.read_all(), "\r\x1b[K   0:31 ▲ kill: worker 4\n" + line);
  terminal->finish("done\n");
  EXPECT_EQ(channel.read_all(), "\r\x1b[Kdone\n");
}

TEST_F(TerminalTest, FollowsTheWidthOfTheTerminal) {
  const Channel channel = Channel::pseudo_terminal(120);
  const std::unique_ptr<Terminal> terminal = create_terminal(channel.writer(), false);
  EXPECT_EQ(terminal->columns(), 120);
  for (unsigned short columns = 40; columns < 200; ++columns) {
    channel.resize(columns);
    EXPECT_EQ(terminal->columns(), columns);
    terminal->status(example_status());
    // The last column stays free: terminals that wrap there would scroll at every update.
    EXPECT_LT(text_width(channel.read_all()) - std::string_view("\r\x1b[K").size(), columns);
  }
}

TEST_F(TerminalTest, LeavesNoLineBehindWhenItIsDestroyed) {
  const Channel channel = Channel::pseudo_terminal(100);
  std::unique_ptr<Terminal> terminal = create_terminal(channel.writer(), false);
  terminal->status(example_status());
  EXPECT_NE(channel.read_all(), "");
  terminal.reset();
  EXPECT_EQ(channel.read_all(), "\r\x1b[K");
}

TEST_F(TerminalTest, ALogGetsPlainLinesEveryFiveSeconds) {
  const Channel channel = Channel::pipe();
  const std::unique_ptr<Terminal> terminal = create_terminal(channel.writer(), false);
  for (int tenth = 0; tenth <= 120; ++tenth) {
    terminal->status(example_status(tenth / 10.0));
  }
  terminal->event(12, EventLevel::kRecovery, "opened\x1b[2J after crash");
  terminal->finish("done\n");
  const std::string out = channel.read_all();
  EXPECT_EQ(count(out, "acked"), 3U) << out;  // At 0, 5 and 10 s.
  EXPECT_EQ(count(out, "\x1b"), 0U);
  EXPECT_EQ(count(out, "\r"), 0U);
  EXPECT_TRUE(out.ends_with("   0:12 ↺ opened\uFFFD[2J after crash\ndone\n")) << out;
}

TEST_F(TerminalTest, ATerminalWithoutCursorMovementIsALog) {
  ASSERT_EQ(::setenv("TERM", "dumb", 1), 0);
  const Channel channel = Channel::pseudo_terminal(100);
  const std::unique_ptr<Terminal> terminal = create_terminal(channel.writer(), false);
  terminal->status(example_status());
  const std::string out = channel.read_all();
  EXPECT_EQ(count(out, "\x1b"), 0U);
  EXPECT_TRUE(out.ends_with("\n"));
}

TEST_F(TerminalTest, QuietPrintsNothing) {
  const std::unique_ptr<Terminal> terminal = Terminal::create(true, true);
  ::testing::internal::CaptureStdout();
  terminal->event(1, EventLevel::kViolation, "x");
  terminal->status(example_status());
  terminal->finish("screen");
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "");
}

}  // namespace
}  // namespace soak::report
