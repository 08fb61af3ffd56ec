// Goal: a scan of a store with damaged documents names them and goes on behind them. Method: a real
// engine in a directory, bytes of values in its log flipped while nobody has it open.
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <ios>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "engine/io/file_system.h"
#include "harness/common/worker_config.h"
#include "harness/tests/temporary_folder.h"
#include "harness/worker/pluresdb_target.h"
#include "harness/worker/shifted_clock.h"
#include "harness/worker/target.h"
#include <pluresdb/error.h>

namespace soak::worker {
namespace {

using pluresdb::ErrorCode;

constexpr std::size_t kDocuments = 100;      // Several pages of a scan.
constexpr std::size_t kValueBytes = 20'000;  // Stays in the log.

std::string id_of(std::size_t number) { return fmt::format("a/stdout/{:03}", number); }
std::string json_of(std::size_t number) {
  const std::string line = fmt::format("line of {} ", id_of(number));
  std::string json = "\"";
  while (json.size() < kValueBytes) {
    json += line;
  }
  return json + "\"";
}

class ScanTest : public testing::Test {
 protected:
  ScanTest() {
    config_.data_directory = (folder_.path() / "store").string();
    open();
  }
  void open() {
    auto opened = open_pluresdb_target(config_, pluresdb::io::posix_file_system(), clock_);
    ASSERT_TRUE(opened.has_value()) << pluresdb::to_string(opened.error());
    target_ = *std::move(opened);
  }
  /// One byte in the middle of the value of document `number` is another.
  void damage(std::size_t number) {
    const std::string text = json_of(number).substr(kValueBytes / 2, 200);
    std::size_t places = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path() / "store/wal")) {
      std::fstream file(entry.path(), std::ios::binary | std::ios::in | std::ios::out);
      const std::string bytes{std::istreambuf_iterator<char>(file),
                              std::istreambuf_iterator<char>()};
      if (const auto place = bytes.find(text); place != std::string::npos) {
        file.clear();
        file.seekp(static_cast<std::streamoff>(place));
        file.put('#');
        ++places;
      }
    }
    ASSERT_EQ(places, 1U) << "the value is not in the log as it is";
  }
  struct Seen {
    std::vector<std::string> ids, refused;
    bool exact = true;
  };
  Seen scan() {
    Seen seen;
    const auto status = target_->scan([&](std::string_view id, const Target::Json& json) {
      if (!json) {
        EXPECT_EQ(json.error().code, ErrorCode::kCorruption);
        seen.refused.emplace_back(id);
      } else {
        seen.exact = seen.exact && *json == json_of(seen.ids.size());
      }
      seen.ids.emplace_back(id);
      return true;
    });
    EXPECT_TRUE(status.has_value()) << pluresdb::to_string(status.error());
    return seen;
  }

  const TemporaryFolder folder_;
  WorkerConfig config_;
  ShiftedClock clock_{0};
  std::unique_ptr<Target> target_;
};

// Seen red: the scan ends with the page that holds a damaged document.
TEST_F(ScanTest, NamesDamagedDocumentsAndGoesOnBehindThem) {
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < kDocuments; ++i) {
    ids.push_back(id_of(i));
    ASSERT_TRUE(target_->put("a", ids.back(), json_of(i)).has_value());
  }
  ASSERT_TRUE(target_->close().has_value());
  target_.reset();
  ASSERT_NO_FATAL_FAILURE(damage(7));
  ASSERT_NO_FATAL_FAILURE(damage(8));
  ASSERT_NO_FATAL_FAILURE(damage(99));
  ASSERT_NO_FATAL_FAILURE(open());
  EXPECT_EQ(target_->recovery().wal.corrupted_entries, 3U);
  const Seen seen = scan();
  EXPECT_EQ(seen.ids, ids);
  EXPECT_TRUE(seen.exact);
  EXPECT_EQ(seen.refused, (std::vector<std::string>{ids[7], ids[8], ids[99]}));
}

}  // namespace
}  // namespace soak::worker
