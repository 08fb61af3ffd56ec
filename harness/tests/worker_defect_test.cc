// Goal: a planted defect does what its name says and nothing else, and each name of the catalog is
// planted somewhere and has its scenario. Method: a map stands in for the engine.
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <gtest/gtest.h>

#include "engine/io/file_system.h"
#include "harness/common/worker_config.h"
#include "harness/scenario/catalog.h"
#include "harness/tests/temporary_folder.h"
#include "harness/worker/defect_target.h"
#include "harness/worker/file_stack.h"
#include "harness/worker/target.h"
#include <pluresdb/error.h>
#include <pluresdb/stats.h>

namespace soak::worker {
namespace {

using pluresdb::ErrorCode;
using pluresdb::Result;
using pluresdb::Status;
using Documents = std::map<std::string, std::string>;

constexpr std::string_view kDamagedId = "a/memory/damaged";
/// Behind which no scan comes.
constexpr std::string_view kDamagedBlockId = "z/memory/damaged";

class MapTarget final : public Target {
 public:
  explicit MapTarget(Documents& documents) : documents_(documents) {}
  Result<std::uint64_t> put(std::string_view /*actor*/, std::string_view id,
                            std::string_view json) override {
    const std::lock_guard lock(mutex_);
    documents_[std::string(id)] = json;
    return ++seq_;
  }
  Result<std::uint64_t> erase(std::string_view /*actor*/, std::string_view id) override {
    const std::lock_guard lock(mutex_);
    documents_.erase(std::string(id));
    return ++seq_;
  }
  Result<std::optional<std::string>> get(std::string_view id) override {
    if (id == kDamagedId) {
      return pluresdb::fail(ErrorCode::kCorruption, "damaged");
    }
    const std::lock_guard lock(mutex_);
    const auto found = documents_.find(std::string(id));
    return found == documents_.end() ? std::optional<std::string>() : found->second;
  }
  Status scan(const Visit& visit) override {
    for (const auto& [id, json] : documents_) {
      if (id == kDamagedBlockId) {
        return pluresdb::fail(ErrorCode::kCorruption, "damaged block");
      }
      const bool damaged = id == kDamagedId;
      if (!visit(id,
                 damaged ? Json(pluresdb::fail(ErrorCode::kCorruption, "damaged")) : Json(json))) {
        break;
      }
    }
    return {};
  }
  Result<std::uint64_t> checkpoint() override { return seq_; }
  pluresdb::EngineStats stats() override { return {}; }
  pluresdb::RecoveryReport recovery() override {
    pluresdb::RecoveryReport report;
    report.wal.lost = {{.first = 3, .last = 4}};
    return report;
  }
  Status close() override { return {}; }

 private:
  std::mutex mutex_;
  Documents& documents_;
  std::uint64_t seq_ = 0;
};

constexpr int kDocuments = 500;

class DefectTest : public testing::Test {
 protected:
  Target& plant(const std::string& defect, std::uint32_t incarnation = 1,
                const std::string& data_directory = "") {
    WorkerConfig config;
    config.data_directory = data_directory;
    config.defect = defect;
    config.incarnation = incarnation;
    target_ = plant_defect(config, std::make_unique<MapTarget>(stored_));
    return *target_;
  }
  static std::string id(int number) { return "a/memory/" + std::to_string(number); }
  /// Version `version` of all documents, from one writer; those that were acknowledged.
  Documents write_all(const std::string& version) {
    Documents acknowledged;
    for (int i = 0; i < kDocuments; ++i) {
      const std::string json = "{\"" + version + "\":" + std::to_string(i) + "}";
      if (target_->put("a", id(i), json)) {
        acknowledged[id(i)] = json;
      }
    }
    return acknowledged;
  }
  Documents scanned() {
    Documents seen;
    EXPECT_TRUE(target_->scan([&](std::string_view id, const Target::Json& json) {
      seen[std::string(id)] = json ? std::string(*json) : "refused";
      return true;
    }));
    return seen;
  }
  static std::size_t differences(const Documents& one, const Documents& other) {
    std::size_t count = 0;
    for (const auto& [id, json] : one) {
      const auto found = other.find(id);
      count += found == other.end() || found->second != json ? 1U : 0U;
    }
    return count;
  }

  Documents stored_;
  std::unique_ptr<Target> target_;
};

TEST_F(DefectTest, WithoutOneTheTargetIsTheOneThatWasGiven) {
  plant("");
  const Documents acknowledged = write_all("v1");
  EXPECT_EQ(acknowledged.size(), std::size_t{kDocuments});
  EXPECT_EQ(stored_, acknowledged);
  EXPECT_EQ(scanned(), acknowledged);
}

TEST_F(DefectTest, LostDeleteKeepsEachTenth) {
  plant("lost_delete");
  write_all("v1");
  for (int i = 0; i < kDocuments; ++i) {
    EXPECT_TRUE(target_->erase("a", id(i)).has_value());
  }
  EXPECT_EQ(stored_.size(), std::size_t{kDocuments / 10});
}

TEST_F(DefectTest, LostUpdateLosesOverwritesOnly) {
  plant("lost_update");
  const Documents first = write_all("v1");
  EXPECT_EQ(stored_, first);
  const Documents second = write_all("v2");
  EXPECT_EQ(second.size(), std::size_t{kDocuments});
  EXPECT_EQ(differences(second, stored_), std::size_t{kDocuments / 20});
}

TEST_F(DefectTest, ResurrectedTombstonesComeBackWithTheContentsThatTheyHad) {
  plant("resurrected_tombstone");
  const Documents first = write_all("v1");
  for (int i = 0; i < kDocuments; ++i) {
    EXPECT_TRUE(target_->erase("a", id(i)).has_value());
  }
  EXPECT_TRUE(stored_.empty());
  for (int i = 0; i < kDocuments; ++i) {
    EXPECT_TRUE(target_->put("a", "other", "{}").has_value());
  }
  EXPECT_EQ(stored_.erase("other"), 1U);
  EXPECT_EQ(stored_.size(), std::size_t{kDocuments / 4});
  EXPECT_EQ(differences(stored_, first), 0U);
}

TEST_F(DefectTest, WrongBytesAreInWhatIsReadAndNotInWhatIsStored) {
  plant("wrong_bytes");
  const Documents first = write_all("v1");
  EXPECT_EQ(stored_, first);
  EXPECT_EQ(differences(first, scanned()), std::size_t{kDocuments / 100});
  std::size_t wrong = 0;
  for (const auto& [id, json] : first) {
    const auto read = target_->get(id);
    ASSERT_TRUE(read.has_value() && read->has_value());
    EXPECT_EQ((*read)->size(), json.size());
    wrong += **read != json ? 1U : 0U;
  }
  EXPECT_EQ(wrong, std::size_t{kDocuments / 100});
}

TEST_F(DefectTest, SwappedPayloadsAreThoseOfTwoActors) {
  plant("swapped_payloads");
  constexpr int kWrites = 400;
  const auto work = [&](const std::string& actor) {
    for (int i = 0; i < kWrites; ++i) {
      EXPECT_TRUE(target_->put(actor, actor + std::to_string(i), actor).has_value());
    }
  };
  std::thread other([&] { work("b"); });
  work("a");
  other.join();
  ASSERT_EQ(stored_.size(), std::size_t{2} * kWrites);
  std::map<std::string, std::size_t> swapped;
  for (const auto& [id, json] : stored_) {
    swapped[id.substr(0, 1)] += id.substr(0, 1) != json ? 1U : 0U;
  }
  EXPECT_EQ(swapped["a"], swapped["b"]);
  EXPECT_GT(swapped["a"], 0U);
}

TEST_F(DefectTest, RefusedButWrittenIsStored) {
  plant("refused_but_written");
  const Documents acknowledged = write_all("v1");
  EXPECT_EQ(acknowledged.size(), std::size_t{kDocuments - kDocuments / 16});
  EXPECT_EQ(stored_.size(), std::size_t{kDocuments});
}

TEST_F(DefectTest, AlienDocumentsStandBesideThoseThatWereWritten) {
  plant("alien_document");
  const Documents first = write_all("v1");
  EXPECT_EQ(differences(first, stored_), 0U);
  EXPECT_EQ(stored_.size(), std::size_t{kDocuments + kDocuments / 100});
}

TEST_F(DefectTest, IncompleteScansLeaveOutWhatCanBeRead) {
  plant("incomplete_scan");
  const Documents first = write_all("v1");
  EXPECT_EQ(scanned().size(), std::size_t{kDocuments - kDocuments / 100});
  EXPECT_EQ(stored_, first);
}

TEST_F(DefectTest, SuddenDeathIsASigkill) {
  plant("sudden_death");
  EXPECT_EXIT(write_all("v1"), testing::KilledBySignal(9), "");
}

TEST_F(DefectTest, NeverResumesRefusesFromTheSecondWorkerOn) {
  plant("never_resumes", 1);
  EXPECT_EQ(write_all("v1").size(), std::size_t{kDocuments});
  plant("never_resumes", 2);
  EXPECT_EQ(write_all("v2").size(), 0U);
  EXPECT_EQ(target_->put("a", "x", "{}").error().code, ErrorCode::kNoSpace);
}

TEST_F(DefectTest, HiddenDamageKeepsQuietAboutALoss) {
  EXPECT_EQ(plant("").recovery().wal.lost.size(), 1U);
  EXPECT_EQ(target_->get(kDamagedId).error().code, ErrorCode::kCorruption);
  stored_[std::string(kDamagedId)] = "{}";
  EXPECT_EQ(scanned().size(), 1U);
  plant("hidden_damage");
  EXPECT_EQ(scanned().size(), 0U);
  EXPECT_EQ(target_->recovery().wal.lost.size(), 0U);
  stored_[std::string(kDamagedBlockId)] = "{}";
  EXPECT_TRUE(target_->scan([](auto&&...) { return true; }).has_value()) << "as if it were all";
  EXPECT_EQ(plant("").scan([](auto&&...) { return true; }).error().code, ErrorCode::kCorruption);
  stored_.erase(std::string(kDamagedBlockId));
  plant("hidden_damage");
  const auto read = target_->get(kDamagedId);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(*read, std::nullopt);
  const Documents acknowledged = write_all("v1");
  EXPECT_EQ(target_->get(id(1)), acknowledged.at(id(1)));
}

TEST_F(DefectTest, PlaintextLeakNamesDocumentsInALogBesideTheStore) {
  const TemporaryFolder folder;
  plant("plaintext_leak", 1, folder.path().string());
  const Documents first = write_all("v1");
  EXPECT_EQ(stored_, first);
  EXPECT_EQ(scanned(), first);
  std::ifstream log(folder.path() / "debug.log");
  std::size_t lines = 0;
  for (std::string line; std::getline(log, line); ++lines) {
    EXPECT_TRUE(line.starts_with("put ")) << line;
    EXPECT_TRUE(first.contains(line.substr(4))) << line;
  }
  EXPECT_EQ(lines, std::size_t{kDocuments} / 100);
}

/// That it leaks is what scenarios/negative/slow-leak.toml shows.
TEST_F(DefectTest, SlowLeakChangesNoAnswer) {
  plant("slow_leak");
  const Documents first = write_all("v1");
  EXPECT_EQ(stored_, first);
  EXPECT_EQ(scanned(), first);
}

TEST_F(DefectTest, EarlyAckOpensTheEngineWithLessThanWasPromised) {
  WorkerConfig config;
  config.durability = "wal";
  EXPECT_EQ(config_with_defect(config).durability, "wal");
  config.defect = "early_ack";
  EXPECT_EQ(config_with_defect(config).durability, "none");
}

TEST(Defects, EachOfTheCatalogIsPlantedAndHasItsScenario) {
  std::string scenarios;
  for (const auto& entry : std::filesystem::directory_iterator(SCENARIOS_FOLDER "/negative")) {
    std::ifstream stream(entry.path());
    scenarios.append(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
  }
  const TemporaryFolder folder;
  for (const scenario::NameInfo& defect : scenario::defects()) {
    WorkerConfig config;
    config.defect = std::string(defect.name);
    config.data_directory = folder.path().string();
    config.power_loss_layer = false;
    EXPECT_TRUE(FileStack::build(config, -1, {}).has_value()) << defect.name;
    EXPECT_NE(scenarios.find("kind = \"" + config.defect + "\"\n\n[expect]"), std::string::npos)
        << "no scenario plants " << defect.name;
  }
}

TEST(FileStack, WithoutLayersIsTheFileSystemOfTheOperatingSystem) {
  WorkerConfig config;
  config.power_loss_layer = false;
  config.fault_layer = false;
  auto plain = FileStack::build(config, -1, {});
  ASSERT_TRUE(plain.has_value());
  EXPECT_EQ(&plain->top(), &pluresdb::io::posix_file_system());
  config.fault_layer = true;
  auto layered = FileStack::build(config, -1, {});
  ASSERT_TRUE(layered.has_value());
  EXPECT_NE(&layered->top(), &pluresdb::io::posix_file_system());
}

}  // namespace
}  // namespace soak::worker
