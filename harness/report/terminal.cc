// The live view. A status line is redrawn in place with carriage return and "erase to the end of
// the line" only, so an abort at any moment leaves the terminal as it was.
#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <sys/types.h>
#include <unistd.h>

#include "harness/report/format.h"
#include "harness/report/paint.h"
#include "harness/report/reports.h"
#include "harness/report/terminal_view.h"

namespace soak::report {
namespace {

constexpr std::string_view kErase = "\r\x1b[K";
constexpr int kDefaultColumns = 100;
constexpr int kTerminalColumnsMin = 20;
constexpr std::size_t kBarColumns = 20;
constexpr std::string_view kGap = "  ";

struct Part {
  int importance;  ///< Smaller stays longer.
  Ink ink;
  std::string text;
};

double progress(const LiveStatus& status) {
  if (!(status.planned_seconds > 0)) {
    return 0;
  }
  return std::clamp(status.elapsed_seconds / status.planned_seconds, 0.0, 1.0);
}

/// Full and empty eighths: "█████▍░░░░".
std::string progress_bar(double ratio) {
  constexpr std::string_view kEighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const auto eighths = static_cast<std::size_t>(std::floor(ratio * kBarColumns * 8));
  std::string bar;
  for (std::size_t i = 0; i < eighths / 8; ++i) {
    bar += "█";
  }
  std::size_t drawn = eighths / 8;
  if (eighths % 8 != 0) {
    bar += kEighths[eighths % 8];
    ++drawn;
  }
  for (; drawn < kBarColumns; ++drawn) {
    bar += "░";
  }
  return bar;
}

std::vector<Part> parts_of(const LiveStatus& status, bool bar) {
  const double ratio = progress(status);
  std::vector<Part> parts;
  if (bar) {
    parts.push_back({4, Ink::kAccent, progress_bar(ratio)});
  }
  parts.push_back({0, Ink::kBold, fmt::format("{:3.0f} %", std::floor(ratio * 100))});
  parts.push_back({1, Ink::kPlain, clock_time(status.elapsed_seconds)});
  if (status.violations != 0) {
    parts.push_back({0, Ink::kBad, fmt::format("{} VIOLATIONS", with_commas(status.violations))});
  }
  parts.push_back({8, Ink::kDim, printable(status.phase)});
  parts.push_back({2, Ink::kPlain, human_count(status.operations_per_second) + " op/s"});
  parts.push_back({3, Ink::kPlain, "acked " + with_commas(status.acknowledged)});
  parts.push_back({3, Ink::kWarning, fmt::format("crashes {}", status.crashes)});
  std::string recoveries = fmt::format("recoveries {}", status.recoveries);
  if (status.last_recovery_seconds > 0) {
    recoveries += fmt::format(" ({})", human_duration(status.last_recovery_seconds));
  }
  parts.push_back({5, Ink::kPlain, recoveries});
  parts.push_back({9, Ink::kPlain, fmt::format("faults {}", status.faults_fired)});
  parts.push_back({10, Ink::kPlain, fmt::format("maybes {}", status.maybes)});
  parts.push_back(
      {6, Ink::kPlain, "RSS " + human_bytes(static_cast<double>(status.resident_bytes))});
  parts.push_back(
      {7, Ink::kPlain,
       fmt::format("WAL {} in {} segments", human_bytes(static_cast<double>(status.wal_bytes)),
                   status.wal_segments)});
  const double left = std::max(0.0, status.planned_seconds - status.elapsed_seconds);
  parts.push_back({1, Ink::kDim, "ETA " + clock_time(std::ceil(left))});
  std::erase_if(parts, [](const Part& part) { return part.text.empty(); });
  return parts;
}

std::size_t width_of(const std::vector<Part>& parts) {
  std::size_t width = parts.empty() ? 0 : kGap.size() * (parts.size() - 1);
  for (const Part& part : parts) {
    width += text_width(part.text);
  }
  return width;
}

class QuietTerminal : public Terminal {
 public:
  void event(double /*time_seconds*/, EventLevel /*level*/, std::string_view /*text*/) override {}
  void status(const LiveStatus& /*status*/) override {}
  void finish(std::string_view /*screen*/) override {}
  [[nodiscard]] int columns() const override { return kDefaultColumns; }
};

class DescriptorTerminal : public Terminal {
 public:
  DescriptorTerminal(int descriptor, bool live, bool color)
      : descriptor_(descriptor), live_(live), color_(color) {}
  DescriptorTerminal(const DescriptorTerminal&) = delete;
  DescriptorTerminal& operator=(const DescriptorTerminal&) = delete;
  DescriptorTerminal(DescriptorTerminal&&) = delete;
  DescriptorTerminal& operator=(DescriptorTerminal&&) = delete;
  ~DescriptorTerminal() override {
    if (!line_.empty()) {
      print(std::string(kErase));
    }
  }

  void event(double time_seconds, EventLevel level, std::string_view text) override {
    std::string out = event_line(time_seconds, level, text, color_) + "\n";
    if (!line_.empty()) {
      out = std::string(kErase) + out + line_;
    }
    print(out);
  }

  void status(const LiveStatus& status) override {
    if (live_) {
      // The last column stays free: writing into it makes some terminals wrap.
      line_ = status_line(status, static_cast<std::size_t>(columns()) - 1, true, color_);
      print(std::string(kErase) + line_);
      return;
    }
    if (status.elapsed_seconds >= next_plain_seconds_) {
      next_plain_seconds_ =
          (std::floor(status.elapsed_seconds / kPlainStatusSeconds) + 1) * kPlainStatusSeconds;
      print(status_line(status, std::string::npos, false, color_) + "\n");
    }
  }

  void finish(std::string_view screen) override {
    std::string out = line_.empty() ? "" : std::string(kErase);
    line_.clear();
    print(out.append(screen));
  }

  [[nodiscard]] int columns() const override {
    winsize size{};
    // NOLINTNEXTLINE(misc-include-cleaner): it is in <sys/ioctl.h>, which is included.
    if (::ioctl(descriptor_, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) {
      return kDefaultColumns;
    }
    return std::max<int>(size.ws_col, kTerminalColumnsMin);
  }

 private:
  /// One write per update, so that lines of other writers come between updates only. The view is a
  /// courtesy: when nobody reads it, the run goes on.
  void print(const std::string& text) const {
    static_cast<void>(std::fflush(stdout));
    std::string_view rest = text;
    while (!rest.empty()) {
      const ssize_t written = ::write(descriptor_, rest.data(), rest.size());
      if (written < 0 && errno != EINTR) {
        return;
      }
      rest.remove_prefix(written < 0 ? 0 : static_cast<std::size_t>(written));
    }
  }

  int descriptor_;
  bool live_, color_;
  std::string line_;  ///< The status line on the screen; empty: none.
  double next_plain_seconds_ = 0;
};

}  // namespace

std::string status_line(const LiveStatus& status, std::size_t columns, bool bar, bool color) {
  std::vector<Part> parts = parts_of(status, bar);
  while (parts.size() > 1 && width_of(parts) > columns) {
    parts.erase(std::ranges::max_element(parts, {}, &Part::importance));
  }
  const Paint paint(color);
  std::string line;
  for (const Part& part : parts) {
    line += (line.empty() ? "" : std::string(kGap)) + paint(part.ink, part.text);
  }
  return line;
}

std::string event_line(double time_seconds, EventLevel level, std::string_view text, bool color) {
  const Paint paint(color);
  const std::string time = padded_left(clock_time(time_seconds), 7);
  const auto line = [&](Ink ink, std::string_view glyph) {
    return fmt::format(
        "{} {} {}", paint(Ink::kDim, time), paint(ink, glyph),
        paint(level == EventLevel::kViolation ? Ink::kBad : Ink::kPlain, printable(text)));
  };
  switch (level) {
    case EventLevel::kFault:
      return line(Ink::kWarning, "▲");
    case EventLevel::kRecovery:
      return line(Ink::kGood, "↺");
    case EventLevel::kViolation:
      return line(Ink::kBad, "✗");
    case EventLevel::kInfo:
      break;
  }
  return line(Ink::kAccent, "·");
}

std::unique_ptr<Terminal> create_terminal(int descriptor, bool color) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing sets the environment.
  const char* type = std::getenv("TERM");
  const bool can_move = type != nullptr && std::string_view(type) != "dumb";
  return std::make_unique<DescriptorTerminal>(descriptor, can_move && ::isatty(descriptor) == 1,
                                              color);
}

std::unique_ptr<Terminal> Terminal::create(bool quiet, bool color) {
  if (quiet) {
    return std::make_unique<QuietTerminal>();
  }
  return create_terminal(STDOUT_FILENO, color);
}

}  // namespace soak::report
