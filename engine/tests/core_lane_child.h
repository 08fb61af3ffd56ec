// Drives core_lane_child from outside and keeps what it acknowledged.
#pragma once

#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <map>
#include <ostream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/tests/core_lane_protocol.h"
#include "engine/tests/core_test_util.h"
#include <pluresdb/engine.h>

namespace pluresdb::testing {

/// The answer to one command.
struct LaneReply {
  std::vector<std::uint64_t> acks;
  bool ended = false;  ///< The child died instead of answering.
  std::string code;    ///< "ok", or the name of the error code.
  std::vector<std::int64_t> numbers;
  int error_number = 0;
  std::string text;

  [[nodiscard]] bool is_ok() const { return code == "ok"; }
};

inline std::ostream& operator<<(std::ostream& out, const LaneReply& reply) {
  return out << (reply.ended ? "died" : reply.code) << " errno " << reply.error_number << " '"
             << reply.text << "' after " << reply.acks.size() << " acknowledgements";
}

class LaneChild {
 public:
  /// `command`: what runs the child, empty for nobody. `prepare`: in the new process, before exec.
  LaneChild(const std::vector<std::string>& command, const std::string& directory, bool threads,
            const std::function<void()>& prepare = {}) {
    int in[2];
    int out[2];
    EXPECT_EQ(::pipe2(in, O_CLOEXEC), 0);
    EXPECT_EQ(::pipe2(out, O_CLOEXEC), 0);
    std::vector<std::string> words = command;
    words.insert(words.end(), {PLURESDB_LANE_CHILD, directory, threads ? "threads" : "inline",
                               directory + ".scratch"});
    (void)std::signal(SIGPIPE, SIG_IGN);  // A child that is dead is a failed test, not a dead one.
    pid_ = ::fork();
    if (pid_ == 0) {
      (void)std::signal(SIGPIPE, SIG_DFL);
      (void)::dup2(in[0], STDIN_FILENO);
      (void)::dup2(out[1], STDOUT_FILENO);
      // What the test runner has left open would count against a limit of descriptors.
      (void)::close_range(STDERR_FILENO + 1, ~0U, 0);
      const rlimit no_core{};
      (void)::setrlimit(RLIMIT_CORE, &no_core);
      if (prepare) {
        prepare();
      }
      std::vector<char*> arguments;
      for (auto& word : words) {
        arguments.push_back(word.data());
      }
      arguments.push_back(nullptr);
      (void)::execvp(arguments[0], arguments.data());
      ::_exit(127);
    }
    EXPECT_GT(pid_, 0);
    (void)::close(in[0]);
    (void)::close(out[1]);
    commands_ = in[1];
    answers_ = out[0];
    opened_ = read_reply();
  }
  ~LaneChild() {
    if (pid_ > 0) {
      (void)::kill(pid_, SIGKILL);
      (void)status();
    }
    (void)::close(answers_);
  }
  LaneChild(const LaneChild&) = delete;
  LaneChild& operator=(const LaneChild&) = delete;
  LaneChild(LaneChild&&) = delete;
  LaneChild& operator=(LaneChild&&) = delete;

  [[nodiscard]] const LaneReply& opened() const { return opened_; }
  [[nodiscard]] pid_t pid() const { return pid_; }

  LaneReply ask(const std::string& command) {
    const std::string line = command + "\n";
    EXPECT_EQ(::write(commands_, line.data(), line.size()), static_cast<ssize_t>(line.size()));
    return read_reply();
  }

  /// Ends the commands; how the process ended, as waitpid() has it.
  int status() {
    (void)::close(commands_);
    int result = 0;
    EXPECT_EQ(::waitpid(pid_, &result, 0), pid_);
    pid_ = -1;
    return result;
  }
  void kill() {
    EXPECT_EQ(::kill(pid_, SIGKILL), 0);
    const int how = status();
    EXPECT_TRUE(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL) << how;
  }

 private:
  /// False at the end of the pipe.
  bool read_line(std::string& line) {
    std::size_t end = 0;
    while ((end = buffer_.find('\n')) == std::string::npos) {
      char block[4096];
      const ssize_t count = ::read(answers_, block, sizeof(block));
      if (count <= 0) {
        return false;
      }
      buffer_.append(block, static_cast<std::size_t>(count));
    }
    line = buffer_.substr(0, end);
    buffer_.erase(0, end + 1);
    return true;
  }

  LaneReply read_reply() {
    LaneReply reply;
    std::string line;
    while (true) {
      if (!read_line(line)) {
        reply.ended = true;
        return reply;
      }
      std::istringstream words(line);
      std::string kind;
      words >> kind;
      std::int64_t number = 0;
      if (kind == "ack") {
        words >> number;
        reply.acks.push_back(static_cast<std::uint64_t>(number));
        continue;
      }
      reply.code = kind;
      if (kind == "ok") {
        while (words >> number) {
          reply.numbers.push_back(number);
        }
        return reply;
      }
      words >> reply.code >> reply.error_number;
      (void)std::getline(words >> std::ws, reply.text);
      return reply;
    }
  }

  pid_t pid_ = -1;
  int commands_ = -1;
  int answers_ = -1;
  std::string buffer_;
  LaneReply opened_;
};

/// What the children of one store were promised, by number of document.
class LaneLedger {
 public:
  /// Puts `count` documents of `bytes` bytes under the next numbers, until one is refused.
  LaneReply put(LaneChild& child, std::uint64_t count, std::size_t bytes) {
    LaneReply reply = child.ask(fmt::format("put {} {} {}", next_, count, bytes));
    for (const std::uint64_t number : reply.acks) {
      promised_[number] = bytes;
    }
    next_ += reply.acks.size();
    if (may_be_there(reply)) {
      maybe_[next_] = bytes;
    }
    next_ += reply.is_ok() ? 0U : 1U;  // A number that was refused is never used again.
    return reply;
  }
  /// Puts what "prepare" has made of `bytes` bytes, as document 0.
  LaneReply put_prepared(LaneChild& child, std::size_t bytes) {
    LaneReply reply = child.ask("put-prepared");
    if (reply.is_ok()) {
      promised_[0] = bytes;
    } else if (may_be_there(reply)) {
      maybe_[0] = bytes;
    }
    return reply;
  }
  LaneReply erase(LaneChild& child, std::uint64_t first, std::uint64_t count) {
    LaneReply reply = child.ask(fmt::format("erase {} {}", first, count));
    for (const std::uint64_t number : reply.acks) {
      promised_.erase(number);
    }
    return reply;
  }
  /// Reads everything promised through the child.
  void expect_readable(LaneChild& child) const {
    for (auto first = promised_.begin(); first != promised_.end();) {
      auto end = first;
      std::uint64_t count = 0;
      while (end != promised_.end() && end->first == first->first + count &&
             end->second == first->second) {
        ++end;
        ++count;
      }
      const LaneReply reply =
          child.ask(fmt::format("get {} {} {}", first->first, count, first->second));
      ASSERT_TRUE(reply.is_ok()) << ::testing::PrintToString(reply);
      first = end;
    }
  }
  /// Opens the store in this process, where nothing is amiss: acked ⊆ there ⊆ acked ∪ maybe.
  void verify(const std::string& directory) {
    const auto engine = open_engine(directory, lane_options(false));
    ASSERT_NE(engine, nullptr);
    EXPECT_TRUE(engine->recovery().wal.is_healthy()) << "nothing durable was damaged";
    EXPECT_FALSE(engine->recovery().wal_lost);
    for (const auto& [number, bytes] : maybe_) {
      const auto found = engine->get(lane_id(number));
      ASSERT_TRUE(found.has_value()) << text_of(found);
      if (found->has_value()) {
        promised_[number] = bytes;
      }
    }
    maybe_.clear();
    std::map<std::string, std::string> wanted;
    for (const auto& [number, bytes] : promised_) {
      wanted.emplace(lane_id(number), lane_json(number, bytes));
    }
    const auto documents = engine->list("", {}, promised_.size() + 1000);
    ASSERT_TRUE(documents.has_value()) << text_of(documents);
    std::map<std::string, std::string> there;
    for (const auto& document : *documents) {
      there.emplace(document.id, document.json);
    }
    ASSERT_EQ(there.size(), wanted.size());
    ASSERT_TRUE(there == wanted) << "contents are exact";
  }
  [[nodiscard]] std::size_t promised() const { return promised_.size(); }
  [[nodiscard]] std::uint64_t next() const { return next_; }

 private:
  static bool may_be_there(const LaneReply& reply) {
    return reply.ended || reply.code == "indeterminate";
  }

  std::uint64_t next_ = 1;
  std::map<std::uint64_t, std::size_t> promised_;
  std::map<std::uint64_t, std::size_t> maybe_;
};

}  // namespace pluresdb::testing
