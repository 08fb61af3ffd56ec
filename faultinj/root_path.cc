#include "faultinj/root_path.h"

#include <filesystem>
#include <optional>
#include <string>

namespace faultinj {

std::string normal_path(const std::string& path) {
  std::string normal = std::filesystem::path(path).lexically_normal().string();
  while (normal.size() > 1 && normal.back() == '/') {
    normal.pop_back();
  }
  return normal;
}

std::optional<std::string> relative_to(const std::string& root, const std::string& path) {
  const std::string normal = normal_path(path);
  if (normal == root) {
    return std::string();
  }
  if (normal.size() > root.size() + 1 && normal.starts_with(root) && normal[root.size()] == '/') {
    return normal.substr(root.size() + 1);
  }
  return std::nullopt;
}

}  // namespace faultinj
