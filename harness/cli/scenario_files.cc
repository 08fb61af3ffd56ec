// Looks scenario files up by name.
#include "harness/cli/scenario_files.h"

#include <algorithm>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include <fmt/format.h>

#include "pluresdb/error.h"

namespace soak::cli {
namespace {

namespace fs = std::filesystem;

// From build/release/bin/pluresdb-soak up to the folder of the project.
constexpr int kFoldersUpMax = 4;

fs::path without_extension(const fs::path& path) {
  return path.extension() == ".toml" ? fs::path(path).replace_extension() : path;
}

}  // namespace

fs::path scenarios_folder() {
  std::error_code error;
  if (fs::is_directory("scenarios", error)) {
    return "scenarios";
  }
  fs::path folder = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (int i = 0; i < kFoldersUpMax && !folder.empty(); ++i) {
    if (fs::is_directory(folder / "scenarios", error)) {
      return folder / "scenarios";
    }
    folder = folder.parent_path();
  }
  return {};
}

std::vector<fs::path> scenario_files(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().extension() == ".toml") {
      files.push_back(entry->path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

pluresdb::Result<std::string> find_scenario(const std::string& argument) {
  std::error_code error;
  // A folder that happens to have the name is no scenario.
  if (fs::exists(argument, error) && !fs::is_directory(argument, error)) {
    return argument;
  }
  const fs::path folder = scenarios_folder();
  const fs::path wanted = without_extension(argument);
  std::vector<fs::path> found = scenario_files(folder);
  std::erase_if(found, [&](const fs::path& file) {
    return file.stem() != wanted && without_extension(file.lexically_relative(folder)) != wanted;
  });
  if (found.empty() && (argument.find('/') != std::string::npos || argument.ends_with(".toml"))) {
    return argument;  // Whoever opens it says what is wrong with it.
  }
  if (found.empty()) {
    return pluresdb::fail(pluresdb::ErrorCode::kNotFound,
                          fmt::format("{}: there is no such file, and no scenario of that name "
                                      "below {}; see `pluresdb-soak list`",
                                      argument, folder.empty() ? "scenarios/" : folder.string()));
  }
  if (found.size() > 1) {
    return pluresdb::fail(pluresdb::ErrorCode::kInvalidArgument,
                          fmt::format("{}: several scenarios have that name; write one of the "
                                      "paths, {} or {}",
                                      argument, found[0].string(), found[1].string()));
  }
  return found.front().string();
}

}  // namespace soak::cli
