// Which paths belong to a store.
#pragma once

#include <optional>
#include <string>

namespace faultinj {

/// Without "." parts, double slashes and a slash at the end.
std::string normal_path(const std::string& path);
/// `path` relative to `root` (a normal path): "" for the root itself, nothing for paths outside.
std::optional<std::string> relative_to(const std::string& root, const std::string& path);

}  // namespace faultinj
