#include "faultinj/points.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace faultinj {
namespace {

struct AreaKinds {
  std::string_view area;
  std::vector<std::string_view> file_kinds;
};

const std::vector<AreaKinds>& areas() {
  static const std::vector<AreaKinds> all_areas{
      {.area = "wal", .file_kinds = {"segment", "spare", "other"}},
      {.area = "base", .file_kinds = {"sst", "manifest", "current", "options", "other"}},
      {.area = "store", .file_kinds = {"identity", "lock", "other"}},
      {.area = "quarantine", .file_kinds = {"file"}},
  };
  return all_areas;
}

constexpr std::array<std::string_view, 9> kFileOperations{
    "open", "create", "read", "write", "sync", "truncate", "allocate", "rename", "remove"};
constexpr std::array<std::string_view, 3> kFileSpaceOperations{"create", "write", "allocate"};
constexpr std::array<std::string_view, 5> kDirectoryOperations{"create", "remove", "list",
                                                               "sync_directory", "space"};

std::string_view wal_kind(std::string_view name) {
  if (name.ends_with(".wal")) {
    return "segment";
  }
  return name.ends_with(".tmp") ? "spare" : "other";
}

std::string_view base_kind(std::string_view name) {
  if (name.ends_with(".sst")) {
    return "sst";
  }
  if (name.starts_with("MANIFEST-")) {
    return "manifest";
  }
  if (name.starts_with("OPTIONS-")) {
    return "options";
  }
  return name == "CURRENT" ? "current" : "other";
}

std::string_view store_kind(std::string_view name) {
  if (name == "STORE" || name == "STORE.tmp") {
    return "identity";
  }
  return name == "LOCK" ? "lock" : "other";
}

std::vector<std::string> make_points() {
  const std::string space(kSpacePrefix);
  const std::string inodes(kInodesPrefix);
  std::vector<std::string> points{space + "statvfs"};
  const auto add = [&](std::string_view prefix, const std::string& place, const auto& operations) {
    for (const std::string_view operation : operations) {
      points.push_back(std::string(prefix) + place + "/" + std::string(operation));
    }
  };
  for (const AreaKinds& area : areas()) {
    for (const std::string_view kind : area.file_kinds) {
      const std::string place = std::string(area.area) + "/" + std::string(kind);
      add("", place, kFileOperations);
      add(space, place, kFileSpaceOperations);
      points.push_back(inodes + place + "/create");
    }
    const std::string place = std::string(area.area) + "/" + std::string(kDirectoryKind);
    add("", place, kDirectoryOperations);
    points.push_back(space + place + "/create");
    points.push_back(inodes + place + "/create");
  }
  std::ranges::sort(points);
  return points;
}

}  // namespace

PointClass classify_path(std::string_view relative_path) {
  const auto slash = relative_path.find('/');
  const std::string_view top = relative_path.substr(0, slash);
  const bool is_area = top == "wal" || top == "base" || top == "quarantine";
  if (relative_path.empty() || (is_area && slash == std::string_view::npos)) {
    return {.area = is_area ? std::string(top) : "store", .file_kind = std::string(kDirectoryKind)};
  }
  const std::string_view name = relative_path.substr(relative_path.rfind('/') + 1);
  if (!is_area) {
    const bool at_root = slash == std::string_view::npos;
    return {.area = "store", .file_kind = std::string(at_root ? store_kind(name) : "other")};
  }
  if (top == "wal") {
    return {.area = "wal", .file_kind = std::string(wal_kind(name))};
  }
  if (top == "base") {
    return {.area = "base", .file_kind = std::string(base_kind(name))};
  }
  return {.area = "quarantine", .file_kind = "file"};
}

const std::vector<std::string>& damageable_points() {
  static const std::vector<std::string> points{"wal/segment/*", "base/sst/*", "base/manifest/*",
                                               "base/current/*"};
  return points;
}

const std::vector<std::string>& all_points() {
  static const std::vector<std::string> points = make_points();
  return points;
}

}  // namespace faultinj
