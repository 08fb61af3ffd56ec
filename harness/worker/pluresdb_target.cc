#include "harness/worker/pluresdb_target.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/clock.h"
#include "engine/io/file_system.h"
#include "harness/common/store_key.h"
#include "harness/common/worker_config.h"
#include "harness/worker/target.h"
#include <pluresdb/document.h>
#include <pluresdb/engine.h>
#include <pluresdb/error.h>
#include <pluresdb/keyring.h>
#include <pluresdb/options.h>
#include <pluresdb/stats.h>

namespace soak::worker {
namespace {

using pluresdb::ErrorCode;
using pluresdb::Result;
using pluresdb::Status;

// Documents may have megabytes each: a page of a scan holds only a few.
constexpr std::size_t kScanPage = 32;

class PluresdbTarget final : public Target {
 public:
  explicit PluresdbTarget(std::unique_ptr<pluresdb::Engine> engine) : engine_(std::move(engine)) {}

  Result<std::uint64_t> put(std::string_view actor, std::string_view id,
                            std::string_view json) override {
    return engine_->put(actor, id, json);
  }
  Result<std::uint64_t> erase(std::string_view actor, std::string_view id) override {
    return engine_->erase(actor, id);
  }
  Result<std::optional<std::string>> get(std::string_view id) override {
    TRY_ASSIGN(std::optional<pluresdb::Document> document, engine_->get(id));
    if (!document.has_value()) {
      return std::optional<std::string>();
    }
    return std::optional<std::string>(std::move(document->json));
  }
  Status scan(const Visit& visit) override {
    std::string from;
    while (true) {
      TRY_ASSIGN(const Page page, read_page(from));
      for (const auto& [id, json] : page) {
        if (!visit(id, json ? Json(*json) : Json(std::unexpected(json.error())))) {
          return {};
        }
      }
      if (page.size() < kScanPage) {
        return {};
      }
      from = page.back().first + std::string(1, '\0');
    }
  }
  Result<std::uint64_t> checkpoint() override { return engine_->checkpoint(); }
  pluresdb::EngineStats stats() override { return engine_->stats(); }
  pluresdb::RecoveryReport recovery() override { return engine_->recovery(); }
  Status close() override { return engine_->close(); }

 private:
  using Page = std::vector<std::pair<std::string, Result<std::string>>>;

  Result<Page> read_page(const std::string& from) {
    Result<std::vector<pluresdb::Document>> documents = engine_->list({}, from, kScanPage);
    if (!documents) {
      return documents.error().code == ErrorCode::kCorruption
                 ? read_by_name(from, documents.error())
                 : Result<Page>(std::unexpected(documents.error()));
    }
    Page page;
    for (pluresdb::Document& document : *documents) {
      page.emplace_back(std::move(document.id), std::move(document.json));
    }
    return page;
  }

  /// Of a page that could not be listed, with `refusal`: which document is damaged.
  Result<Page> read_by_name(const std::string& from, const pluresdb::Error& refusal) {
    TRY_ASSIGN(const std::vector<std::string> ids, engine_->list_ids({}, from, kScanPage));
    Page page;
    bool reproduced = false;
    for (const std::string& id : ids) {
      Result<std::optional<std::string>> json = get(id);
      if (!json && json.error().code != ErrorCode::kCorruption) {
        return std::unexpected(json.error());
      }
      reproduced = reproduced || !json;
      if (!json) {
        page.emplace_back(id, std::unexpected(json.error()));
      } else if (std::optional<std::string>& there = *json; there.has_value()) {
        page.emplace_back(id, *std::move(there));
      } else {
        page.emplace_back(id, pluresdb::fail(ErrorCode::kCorruption, "listed, and not found"));
      }
    }
    return reproduced ? Result<Page>(std::move(page)) : std::unexpected(refusal);
  }

  std::unique_ptr<pluresdb::Engine> engine_;
};

pluresdb::Durability durability_of(const std::string& name) {
  if (name == "none") {
    return pluresdb::Durability::kNone;
  }
  return name == "full" ? pluresdb::Durability::kFull : pluresdb::Durability::kWal;
}

}  // namespace

Result<std::unique_ptr<Target>> open_pluresdb_target(const WorkerConfig& config,
                                                     pluresdb::io::FileSystem& files,
                                                     pluresdb::Clock& clock) {
  pluresdb::EngineOptions options;
  options.durability = durability_of(config.durability);
  options.segment_bytes = config.segment_bytes;
  options.file_system = &files;
  options.clock = &clock;
  if (config.checkpoint_wal_bytes != 0) {
    options.checkpoint.wal_bytes = config.checkpoint_wal_bytes;
  }
  if (config.checkpoint_operations != 0) {
    options.checkpoint.operations = config.checkpoint_operations;
  }
  if (config.checkpoint_interval_ms != 0) {
    options.checkpoint.interval = std::chrono::milliseconds(config.checkpoint_interval_ms);
  }
  std::optional<pluresdb::StoreSecret> secret;  // Needed until the store is open.
  if (config.encryption != "none") {
    // A key and no password: Argon2id would be what the run measures.
    TRY_ASSIGN(secret, pluresdb::StoreSecret::device_key(store_key(config.seed)));
    options.secret = &*secret;
  }
  TRY_ASSIGN(std::unique_ptr<pluresdb::Engine> engine,
             pluresdb::Engine::open_with_recovery(config.data_directory, options));
  return std::unique_ptr<Target>(std::make_unique<PluresdbTarget>(std::move(engine)));
}

}  // namespace soak::worker
