// Files and folders of one run. Everything is created with the rights of the user's umask, except
// the data directory, which the engine creates for itself.
#include "harness/supervisor/run_folder.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <fstream>
#include <ios>
#include <string>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "harness/report/run_result.h"
#include "pluresdb/error.h"

namespace soak::supervisor {
namespace {

namespace fs = std::filesystem;
using pluresdb::ErrorCode;

// A day of kills starts thousands of workers; the logs of the last ones tell the story.
constexpr std::uint32_t kKeptWorkers = 100;
constexpr std::size_t kTitleBytesMax = 60;
constexpr const char* kStoreKeyFile = "store.key";
constexpr const char* kEncryptedNote =
    "# The store is encrypted; to look at what is kept of it:\n"
    "#   pluresdb-validate --data-dir data --password-file store.key\n";

/// "agents with crashes" -> "agents-with-crashes".
std::string slug(const std::string& title) {
  std::string out;
  for (const char c : title.substr(0, kTitleBytesMax)) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 && byte < 0x80) {
      out += static_cast<char>(std::tolower(byte));
    } else if (!out.empty() && out.back() != '-') {
      out += '-';
    }
  }
  while (!out.empty() && out.back() == '-') {
    out.pop_back();
  }
  return out.empty() ? "run" : out;
}

pluresdb::Status write_file(const fs::path& path, const std::string& text) {
  std::ofstream stream(path, std::ios::binary | std::ios::trunc);
  stream << text;
  stream.close();
  if (!stream) {
    return pluresdb::fail(ErrorCode::kIo, fmt::format("write {}", path.string()), errno);
  }
  return {};
}

/// In what StoreSecret::of_file believes: nobody else may read it.
pluresdb::Status write_store_key(const fs::path& path, const std::string& text) {
  TRY(write_file(path, text + "\n"));
  std::error_code error;
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write, error);
  return error
             ? pluresdb::fail(ErrorCode::kIo, fmt::format("chmod {}", path.string()), error.value())
             : pluresdb::Status{};
}

std::string repro_script(const report::RunResult& result, bool encrypted) {
  // A line break would end the comment that the command stands in.
  std::string command = result.command_line;
  std::replace(command.begin(), command.end(), '\n', ' ');
  std::error_code error;
  const fs::path binary = fs::read_symlink("/proc/self/exe", error);
  return fmt::format(
      "#!/bin/sh\n"
      "# Runs this scenario again: same seed, same plan of faults. What threads and kernel do "
      "between\n"
      "# is not replayed, so give it several tries. First given as:\n"
      "#   {}\n"
      "# Verdict: {}. Another binary: SOAK=path/to/pluresdb-soak ./repro.sh\n"
      "{}"
      "set -eu\n"
      "folder=$(CDPATH= cd -- \"$(dirname -- \"$0\")\" && pwd)\n"
      "exec \"${{SOAK:-{}}}\" run \"$folder/scenario.toml\" --seed {} \"$@\"\n",
      command, report::verdict_name(result.verdict), encrypted ? kEncryptedNote : "",
      binary.string(), result.seed);
}

}  // namespace

pluresdb::Result<RunFolder> RunFolder::create(const RunFolderOptions& options) {
  RunFolder folder;
  std::error_code error;
  folder.root_ = fs::path(options.out_directory);
  if (options.out_directory.empty()) {
    const std::string name = fmt::format("{}-{}", slug(options.title), options.utc);
    folder.root_ = fs::path("runs") / name;
    for (int another = 2; fs::exists(folder.root_, error); ++another) {  // Begun in one second.
      folder.root_ = fs::path("runs") / fmt::format("{}-{}", name, another);
    }
  }
  folder.root_ = fs::absolute(folder.root_, error).lexically_normal();
  const std::string shown = folder.root_.string();
  if (fs::exists(folder.root_, error) &&
      (!fs::is_directory(folder.root_, error) || !fs::is_empty(folder.root_, error))) {
    return pluresdb::fail(
        ErrorCode::kInvalidArgument,
        fmt::format("{} holds something already; give --out a folder that does not exist, or an "
                    "empty one",
                    shown));
  }
  folder.created_root_ = fs::create_directories(folder.root_, error);
  if (!error) {
    fs::create_directory(folder.root_ / "workers", error);
  }
  if (error) {
    return pluresdb::fail(ErrorCode::kIo,
                          fmt::format("the run folder {} cannot be made; give another one with "
                                      "--out",
                                      shown),
                          error.value());
  }
  TRY(write_file(folder.root_ / "scenario.toml", options.resolved_toml));
  if (!options.store_key.empty()) {
    TRY(write_store_key(folder.root_ / kStoreKeyFile, options.store_key));
  }
  return folder;
}

std::string RunFolder::worker_log(std::uint32_t incarnation) const {
  return (root_ / "workers" / fmt::format("{}.log", incarnation)).string();
}

std::string RunFolder::worker_config(std::uint32_t incarnation) const {
  return (root_ / "workers" / fmt::format("{}.json", incarnation)).string();
}

void RunFolder::forget_worker(std::uint32_t incarnation) const {
  if (incarnation <= kKeptWorkers) {
    return;
  }
  std::error_code error;  // A file that stays costs a little space and nothing else.
  fs::remove(worker_log(incarnation - kKeptWorkers), error);
  fs::remove(worker_config(incarnation - kKeptWorkers), error);
}

void RunFolder::remove_fiu_fifos(int pid) const {
  std::error_code error;  // There are none when the remote control could not be started.
  fs::remove(fmt::format("{}-{}.in", fiu_fifo_base(), pid), error);
  fs::remove(fmt::format("{}-{}.out", fiu_fifo_base(), pid), error);
}

pluresdb::Status RunFolder::finish(const std::string& keep_data,
                                   const report::RunResult& result) const {
  const bool passed = result.verdict == report::Verdict::kPass;
  // A store that cannot be opened any more is what there is to look at.
  const bool needed = !passed || result.evidence.base_lost > 0;
  std::error_code error;
  if (keep_data == "never" || (keep_data == "on_failure" && !needed)) {
    fs::remove_all(data(), error);
    if (error) {
      return pluresdb::fail(ErrorCode::kIo, fmt::format("remove {}", data()), error.value());
    }
    if (passed) {  // Else crash images may be kept.
      fs::remove(root_ / kStoreKeyFile, error);
    }
  }
  if (passed) {
    return {};
  }
  const fs::path script = root_ / "repro.sh";
  TRY(write_file(script, repro_script(result, fs::exists(root_ / kStoreKeyFile, error))));
  fs::permissions(script, fs::perms::owner_exec | fs::perms::group_exec | fs::perms::others_exec,
                  fs::perm_options::add, error);
  if (error) {
    return pluresdb::fail(ErrorCode::kIo, fmt::format("chmod {}", script.string()), error.value());
  }
  return {};
}

void RunFolder::discard() const {
  std::error_code error;  // What cannot be removed is told by the next run's refusal.
  if (created_root_) {
    fs::remove_all(root_, error);
    return;
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(root_, error)) {
    fs::remove_all(entry.path(), error);
  }
}

std::string last_lines(const std::string& file, std::size_t lines) {
  std::ifstream stream(file, std::ios::binary);
  std::deque<std::string> last;
  for (std::string line; std::getline(stream, line);) {
    last.push_back(std::move(line));
    if (last.size() > lines) {
      last.pop_front();
    }
  }
  std::string text;
  for (const std::string& line : last) {
    text += (text.empty() ? "" : "\n") + line;
  }
  return text;
}

}  // namespace soak::supervisor
