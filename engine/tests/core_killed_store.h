// Runs core_crash_child on one directory, kills it, and keeps what it was promised.
#pragma once

#include <csignal>
#include <cstdint>
#include <map>
#include <set>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/tests/core_child_protocol.h"
#include "engine/tests/core_test_util.h"
#include <pluresdb/engine.h>

namespace pluresdb::testing {

/// Version per id; 0: deleted or never written.
class KilledStore {
 public:
  explicit KilledStore(std::string directory) : directory_(std::move(directory)) {}

  /// Starts `agents` agents, waits for `acknowledgements`, then SIGKILL.
  void run_and_kill(int agents, std::uint64_t acknowledgements) {
    int out[2];
    ASSERT_EQ(pipe(out), 0);
    const std::string agents_text = std::to_string(agents);
    const std::string first_text = std::to_string(highest_);
    const pid_t child = fork();
    if (child == 0) {
      (void)dup2(out[1], STDOUT_FILENO);
      (void)::close(out[0]);
      (void)::close(out[1]);
      execl(PLURESDB_CRASH_CHILD, "core_crash_child", directory_.c_str(), agents_text.c_str(),
            first_text.c_str(), nullptr);
      _exit(127);
    }
    ASSERT_GT(child, 0);
    (void)::close(out[1]);
    std::uint64_t seen = 0;
    bool killed = false;
    std::string buffer;
    char block[65536];
    while (true) {
      const ssize_t count = ::read(out[0], block, sizeof(block));
      if (count <= 0) {
        break;  // The pipe is drained: everything the child said before it died.
      }
      buffer.append(block, static_cast<std::size_t>(count));
      std::size_t end = 0;
      while ((end = buffer.find('\n')) != std::string::npos) {
        seen += take(buffer.substr(0, end));
        buffer.erase(0, end + 1);
      }
      if (seen >= acknowledgements && !killed) {
        ASSERT_EQ(::kill(child, SIGKILL), 0);
        killed = true;
      }
    }
    (void)::close(out[0]);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        << "the child must be alive until it is killed; status " << status << " " << error_;
    acknowledged_total_ += seen;
  }

  /// acked ⊆ recovered ⊆ acked ∪ maybe; what was seen once stays.
  void verify(Engine& engine) {
    for (auto& [id, values] : attempted_) {
      const auto found = engine.get(id);
      ASSERT_TRUE(found.has_value()) << id << ": " << text_of(found);
      std::uint64_t version = 0;
      if (*found) {
        const std::string& json = (*found)->json;
        const auto at = json.find("\"version\":");
        ASSERT_NE(at, std::string::npos);
        version = std::strtoull(json.c_str() + at + 10, nullptr, 10);
        ASSERT_EQ(json, child_json(id, version)) << "contents are exact";
      }
      ASSERT_TRUE(version == acknowledged_[id] || values.contains(version))
          << id << " shows version " << version << ", acknowledged was " << acknowledged_[id];
      acknowledged_[id] = version;
      values.clear();
    }
    const auto documents = engine.list("", {}, 1'000'000);
    ASSERT_TRUE(documents.has_value()) << text_of(documents);
    std::size_t live = 0;
    for (const auto& [id, version] : acknowledged_) {
      live += version != 0 ? 1U : 0U;
    }
    EXPECT_EQ(documents->size(), live);
  }

  [[nodiscard]] std::uint64_t acknowledged_total() const { return acknowledged_total_; }
  [[nodiscard]] const std::string& directory() const { return directory_; }

 private:
  /// 1 when the line is an acknowledgement.
  std::uint64_t take(const std::string& line) {
    const auto space = line.rfind(' ');
    const std::string id = line.substr(2, space - 2);
    const std::uint64_t version = std::strtoull(line.c_str() + space + 1, nullptr, 10);
    highest_ = std::max(highest_, version);
    if (line[0] == 't') {
      attempted_[id].insert(version);
      return 0;
    }
    if (line[0] == 'a') {
      acknowledged_[id] = version;
      attempted_[id].clear();
      return 1;
    }
    error_ += line;
    return 0;
  }

  std::string directory_;
  std::string error_;
  std::uint64_t highest_ = 0;
  std::uint64_t acknowledged_total_ = 0;
  std::map<std::string, std::uint64_t> acknowledged_;
  std::map<std::string, std::set<std::uint64_t>> attempted_;  ///< Since the last acknowledgement.
};

}  // namespace pluresdb::testing
