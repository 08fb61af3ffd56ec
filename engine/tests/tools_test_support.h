// What the tests of the tools share: running the real programs, a digest of a directory, stores
// made by the engine and then damaged.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <simdjson.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "engine/tests/core_test_util.h"
#include <pluresdb/engine.h>

namespace pluresdb::testing {

struct ToolRun {
  int status = -1;
  std::string out;
  std::string error;
};

inline std::string contents_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// Runs `tool` of the build tree with `arguments` (shell words).
inline ToolRun run_tool(const std::string& tool, const std::string& arguments,
                        const TemporaryDirectory& scratch) {
  const std::string errors = scratch.path("stderr");
  const std::string command =
      fmt::format("{}/pluresdb-{} {} 2>'{}'", PLURESDB_BIN, tool, arguments, errors);
  ToolRun run;
  std::FILE* pipe = popen(command.c_str(), "r");  // NOLINT(cert-env33-c): our own program.
  std::array<char, 4096> block{};
  while (const std::size_t count = std::fread(block.data(), 1, block.size(), pipe)) {
    run.out.append(block.data(), count);
  }
  const int status = pclose(pipe);
  run.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  run.error = contents_of(errors);
  return run;
}

/// Names, kinds, sizes, modes, modification times (ns) and contents of everything below.
inline std::string digest_of(const std::string& directory) {
  std::map<std::string, std::string> entries;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    struct stat status{};
    EXPECT_EQ(::lstat(entry.path().c_str(), &status), 0);
    std::string text = fmt::format("{:o} {} {}.{}", status.st_mode, status.st_size,
                                   status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
    if (S_ISREG(status.st_mode)) {
      text += contents_of(entry.path());
    }
    entries.emplace(entry.path(), text);
  }
  struct stat top{};
  EXPECT_EQ(::stat(directory.c_str(), &top), 0);
  std::string digest = fmt::format("{}.{}\n", top.st_mtim.tv_sec, top.st_mtim.tv_nsec);
  for (const auto& [path, text] : entries) {
    digest += path + '\0' + text + '\n';
  }
  return digest;
}

inline void flip_byte(const std::string& path, std::uint64_t offset) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  ASSERT_TRUE(file.is_open()) << path;
  file.seekg(static_cast<std::streamoff>(offset));
  const int byte = file.get();
  ASSERT_NE(byte, EOF) << path << " at " << offset;
  file.seekp(static_cast<std::streamoff>(offset));
  file.put(static_cast<char>(byte ^ 0x5A));
}

/// Offset of `needle` in the file; fails the test when it is not there.
inline std::uint64_t place_of(const std::string& path, std::string_view needle) {
  const auto at = contents_of(path).find(needle);
  EXPECT_NE(at, std::string::npos) << needle << " in " << path;
  return at;
}

/// A store on disk, made by the engine, and the tools that look at it.
class ToolStore {
 public:
  ToolStore() : options_(small_options()) {}

  [[nodiscard]] std::string path() const { return scratch_.path("store"); }
  [[nodiscard]] std::string file(const std::string& name) const { return path() + "/" + name; }
  [[nodiscard]] std::string segment(std::uint64_t id) const {
    return file(fmt::format("wal/{:016x}.wal", id));
  }
  [[nodiscard]] const TemporaryDirectory& scratch() const { return scratch_; }

  Engine& open() {
    engine_ = open_engine(path(), options_);
    return *engine_;
  }
  Engine& engine() { return *engine_; }
  void close() {
    EXPECT_TRUE(engine_->close().has_value());
    engine_.reset();
  }
  /// As after a crash.
  void drop() { engine_.reset(); }

  void put(const std::string& id, const std::string& json, const std::string& actor = "a") {
    const auto seq = engine_->put(actor, id, json);
    ASSERT_TRUE(seq.has_value()) << text_of(seq);
  }

  /// Runs the tool and checks that it has changed nothing.
  ToolRun run(const std::string& tool, const std::string& flags = "") {
    const std::string before = digest_of(path());
    const ToolRun run = run_tool(tool, fmt::format("--data-dir '{}' {}", path(), flags), scratch_);
    EXPECT_EQ(digest_of(path()), before) << tool << " has changed something";
    return run;
  }
  /// The same with --json; the text must be one JSON object.
  simdjson::dom::element json(const std::string& tool, int status, const std::string& flags = "") {
    const ToolRun result = run(tool, "--json " + flags);
    EXPECT_EQ(result.status, status) << result.out << result.error;
    simdjson::dom::element parsed;
    const auto parsing = parser_.parse(result.out).get(parsed);
    EXPECT_EQ(parsing, simdjson::SUCCESS) << result.out;
    if (parsing != simdjson::SUCCESS) {
      parsed = parser_.parse(std::string("{}")).value_unsafe();  // Its members are missed next.
    }
    EXPECT_TRUE(parsed.is_object());
    return parsed;
  }

 private:
  TemporaryDirectory scratch_;
  EngineOptions options_;
  std::unique_ptr<Engine> engine_;
  simdjson::dom::parser parser_;
};

inline std::uint64_t number(simdjson::dom::element json, const std::string& pointer) {
  std::uint64_t result = ~0ULL;
  EXPECT_EQ(json.at_pointer(pointer).get(result), simdjson::SUCCESS) << pointer;
  return result;
}

inline std::string word(simdjson::dom::element json, const std::string& pointer) {
  std::string_view result;
  EXPECT_EQ(json.at_pointer(pointer).get(result), simdjson::SUCCESS) << pointer;
  return std::string(result);
}

inline std::size_t length(simdjson::dom::element json, const std::string& pointer) {
  simdjson::dom::array result;
  EXPECT_EQ(json.at_pointer(pointer).get(result), simdjson::SUCCESS) << pointer;
  return result.size();
}

/// All texts of an array, one a line.
inline std::string lines(simdjson::dom::element json, const std::string& pointer) {
  simdjson::dom::array found;
  EXPECT_EQ(json.at_pointer(pointer).get(found), simdjson::SUCCESS) << pointer;
  std::string text;
  for (const auto element : found) {
    text += std::string(element.get_string().value_unsafe()) + "\n";
  }
  return text;
}

#define EXPECT_CONTAINS(text, part) \
  EXPECT_NE((text).find(part), std::string::npos) << "no \"" << (part) << "\" in:\n" << (text)

}  // namespace pluresdb::testing
