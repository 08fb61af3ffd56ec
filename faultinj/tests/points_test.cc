#include "faultinj/points.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace faultinj {
namespace {

std::string place_of(std::string_view path) {
  const PointClass found = classify_path(path);
  return found.area + "/" + found.file_kind;
}

TEST(Points, EveryFileOfAStoreHasItsClass) {
  const std::vector<std::pair<std::string_view, std::string_view>> expected{
      {"wal/000000000000002a.wal", "wal/segment"},
      {"wal/spare-000000000000002a.tmp", "wal/spare"},
      {"wal/rewrite-000000000000002a.tmp", "wal/spare"},
      {"wal/notes.txt", "wal/other"},
      {"base/000012.sst", "base/sst"},
      {"base/MANIFEST-000004", "base/manifest"},
      {"base/CURRENT", "base/current"},
      {"base/000004.dbtmp", "base/other"},
      {"base/OPTIONS-000007", "base/options"},
      {"base/OPTIONS-000007.dbtmp", "base/options"},
      {"base/000005.log", "base/other"},
      {"base/LOG", "base/other"},
      {"base/LOG.old.1700000000000000", "base/other"},
      {"base/IDENTITY", "base/other"},
      {"base/LOCK", "base/other"},
      {"STORE", "store/identity"},
      {"STORE.tmp", "store/identity"},
      {"LOCK", "store/lock"},
      {"RESERVE", "store/other"},
      {"keys/KEYRING", "store/other"},
      {"quarantine/000000000000002a.wal", "quarantine/file"},
      {"wal", "wal/directory"},
      {"base", "base/directory"},
      {"quarantine", "quarantine/directory"},
      {"", "store/directory"},
  };
  for (const auto& [path, place] : expected) {
    EXPECT_EQ(place_of(path), place) << path;
  }
}

TEST(Points, TheListIsSortedAndHasTheOperationsOfEachClass) {
  const auto& points = all_points();
  EXPECT_TRUE(std::ranges::is_sorted(points));
  EXPECT_EQ(std::ranges::adjacent_find(points), points.end());
  for (const std::string_view point :
       {"wal/segment/sync", "wal/segment/write", "wal/spare/rename", "wal/directory/sync_directory",
        "base/sst/create", "base/current/rename", "store/lock/open", "store/directory/space",
        "quarantine/file/write", "space/statvfs", "space/wal/spare/allocate",
        "space/base/sst/write", "space/base/directory/create"}) {
    EXPECT_TRUE(std::binary_search(points.begin(), points.end(), point)) << point;
  }
  for (const std::string_view point : {"wal/segment/list", "wal/directory/write",
                                       "space/wal/segment/sync", "space/space/statvfs"}) {
    EXPECT_FALSE(std::binary_search(points.begin(), points.end(), point)) << point;
  }
  for (const std::string& pattern : damageable_points()) {
    ASSERT_TRUE(pattern.ends_with("/*")) << pattern;
    const std::string prefix = pattern.substr(0, pattern.size() - 1);
    EXPECT_TRUE(std::ranges::any_of(points, [&](const std::string& point) {
      return point.starts_with(prefix);
    })) << pattern;
  }
  // The ledger of fired faults keeps 47 characters of a name.
  EXPECT_LT(std::ranges::max(points, {}, &std::string::size).size(), 48U);
}

}  // namespace
}  // namespace faultinj
