// Runs of the real pluresdb-soak binary for tests, each in a fresh folder.
#pragma once

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <simdjson.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/tests/temporary_folder.h"

namespace soak::supervisor {

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

inline bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

/// Asks `condition` again and again; false when it did not come true in time.
inline bool wait_until(const std::function<bool()>& condition) {
  constexpr std::chrono::seconds kLongest{60};
  constexpr std::chrono::milliseconds kPause{20};
  const auto give_up = std::chrono::steady_clock::now() + kLongest;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > give_up) {
      return false;
    }
    std::this_thread::sleep_for(kPause);  // tidy: sleep: the pause of a poll for the condition
  }
  return true;
}

/// summary.json with what tests ask of it.
class Summary {
 public:
  explicit Summary(const std::filesystem::path& file) {
    EXPECT_EQ(parser_.load(file.string()).get(root_), simdjson::SUCCESS) << file;
  }

  /// By JSON pointer: "/operations/acknowledged".
  [[nodiscard]] std::uint64_t number(const char* pointer) const {
    std::uint64_t value = 0;
    EXPECT_EQ(root_.at_pointer(pointer).get(value), simdjson::SUCCESS) << pointer;
    return value;
  }
  [[nodiscard]] std::string text(const char* pointer) const {
    std::string_view value;
    EXPECT_EQ(root_.at_pointer(pointer).get(value), simdjson::SUCCESS) << pointer;
    return std::string(value);
  }
  [[nodiscard]] std::string check(std::string_view name) const {
    return entry("checks", "name", name, "verdict");
  }
  [[nodiscard]] std::string check_detail(std::string_view name) const {
    return entry("checks", "name", name, "detail");
  }
  /// Firings of the first fault of that kind.
  [[nodiscard]] std::uint64_t fired(std::string_view kind) const {
    for (const auto fault : root_["faults"]) {
      std::uint64_t fired = 0;
      if (std::string_view(fault["kind"]) == kind &&
          fault["fired"].get(fired) == simdjson::SUCCESS) {
        return fired;
      }
    }
    return 0;
  }
  [[nodiscard]] std::string fired_point(std::string_view kind) const {
    return entry("faults", "kind", kind, "point");
  }

 private:
  [[nodiscard]] std::string entry(const char* array, const char* key, std::string_view value,
                                  const char* wanted) const {
    for (const auto element : root_[array]) {
      if (std::string_view(element[key]) == value) {
        return std::string(std::string_view(element[wanted]));
      }
    }
    ADD_FAILURE() << array << " has no " << value;
    return "";
  }

  simdjson::dom::parser parser_;
  simdjson::dom::element root_;
};

/// Two agents and no fault; its duration is for the command line to shorten.
inline constexpr const char* kShortLoad = R"(schema = 1
title = "short load"
why = "for tests"
seed = 3
duration = "60s"

[[agents]]
name = "shell"
count = 2
rate = "200/s"
mix = { command = 3, memory = 2, read = 2, delete = 1 }
payload_bytes = { distribution = "lognormal", median = "1KiB", max = "32KiB" }

[expect]
verdict = "pass"
)";

/// Runs of one test, in a folder of their own.
class SoakRuns : public testing::Test {
 protected:
  void TearDown() override {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      finish();
    }
  }

  /// Starts `pluresdb-soak run` with these arguments, metrics at listen_, out folder run().
  void start(const std::string& scenario, std::vector<std::string> arguments = {}) {
    std::vector<std::string> words = {SOAK_BINARY,    "run",      scenario, "--out",
                                      run().string(), "--listen", listen_};
    words.insert(words.end(), arguments.begin(), arguments.end());
    start_words(words);
  }
  void start_words(std::vector<std::string> words) {
    std::vector<char*> argv;
    argv.reserve(words.size() + 1);
    for (std::string& word : words) {
      argv.push_back(word.data());
    }
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    constexpr int kFlags = O_WRONLY | O_CREAT | O_TRUNC;
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, (folder_ / "out").c_str(), kFlags,
                                     0644);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, (folder_ / "err").c_str(), kFlags,
                                     0644);
    ASSERT_EQ(::posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
  }
  /// Waits for the end; returns the exit status, or -1 when a signal ended it.
  int finish() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  void send_signal(int signal) const { ASSERT_EQ(::kill(pid_, signal), 0); }

  static std::string scenario(const std::string& name) {
    return std::string(SCENARIOS_FOLDER) + "/" + name;
  }
  std::string write_scenario(std::string_view text) const {
    const std::filesystem::path file = folder_ / "scenario.toml";
    std::ofstream(file, std::ios::binary) << text;
    return file.string();
  }

  [[nodiscard]] std::filesystem::path run() const { return folder_ / "run"; }
  [[nodiscard]] Summary summary() const { return Summary(run() / "summary.json"); }
  [[nodiscard]] std::string events() const { return read_file(run() / "events.ndjson"); }
  [[nodiscard]] std::string out() const { return read_file(folder_ / "out"); }
  [[nodiscard]] std::string err() const { return read_file(folder_ / "err"); }
  /// For messages of failed expectations.
  [[nodiscard]] std::string screen() const { return out() + err(); }

  const TemporaryFolder temporary_;
  const std::filesystem::path folder_ = temporary_.path();
  std::string listen_;  ///< Nowhere: ThreadSanitizer cannot judge the threads of the web server.
  pid_t pid_ = 0;
};

}  // namespace soak::supervisor
