// Where scenario files are: a path, or the bare name of a file below scenarios/.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <pluresdb/error.h>

namespace soak::cli {

/// The scenarios/ folder of the current directory, else of a folder above this binary; empty when
/// there is none.
std::filesystem::path scenarios_folder();
/// Every *.toml below `folder`, sorted.
std::vector<std::filesystem::path> scenario_files(const std::filesystem::path& folder);
/// `argument` itself when it is a file, else the one below scenarios/ of that name or path, with or
/// without .toml ("first-run", "smoke/first-run"). Errors: kNotFound, kInvalidArgument (several).
pluresdb::Result<std::string> find_scenario(const std::string& argument);

}  // namespace soak::cli
