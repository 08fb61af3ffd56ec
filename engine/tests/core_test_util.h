// What the tests of engine/core share: a fresh directory, small options, a model to compare with.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "engine/io/file_system.h"
#include <pluresdb/engine.h>
#include <pluresdb/error.h>
#include <pluresdb/keyring.h>
#include <pluresdb/options.h>

namespace pluresdb::testing {

/// Removed with everything in it at the end.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = std::filesystem::temp_directory_path() / "pluresdb-core-XXXXXX";
    path_ = mkdtemp(pattern.data());
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  TemporaryDirectory(TemporaryDirectory&&) = delete;
  TemporaryDirectory& operator=(TemporaryDirectory&&) = delete;

  [[nodiscard]] std::string path(std::string_view name = "store") const {
    return path_ + "/" + std::string(name);
  }

 private:
  std::string path_;
};

/// CTest runs some tests again on encrypted stores (core.cmake); null: not this time.
inline const StoreSecret* secret_of_run() {
  static const std::optional<StoreSecret> secret = []() -> std::optional<StoreSecret> {
    if (std::getenv("PLURESDB_TEST_ENCRYPTED") == nullptr) {  // NOLINT(concurrency-mt-unsafe)
      return std::nullopt;
    }
    constexpr std::array<std::byte, 32> kKey{std::byte{1}, std::byte{2}, std::byte{3}};
    auto key = StoreSecret::device_key(kKey);
    EXPECT_TRUE(key.has_value());
    return *std::move(key);
  }();
  return secret ? &*secret : nullptr;
}

/// Small segments, values from 1 KiB up stay in the log, nothing happens by itself.
inline EngineOptions small_options(io::FileSystem* files = nullptr) {
  EngineOptions options;
  options.segment_bytes = 64ULL << 10;
  options.large_value_bytes = 1024;
  options.block_cache_bytes = 1ULL << 20;
  options.checkpoint = {.wal_bytes = 0, .operations = 0, .interval = {}};
  options.background_threads = false;
  options.secret = secret_of_run();
  options.file_system = files;
  return options;
}

template <typename T>
std::string text_of(const Result<T>& result) {
  return result ? "ok" : to_string(result.error());
}

inline std::unique_ptr<Engine> open_engine(const std::string& directory,
                                           const EngineOptions& options) {
  auto engine = Engine::open_with_recovery(directory, options);
  EXPECT_TRUE(engine.has_value()) << text_of(engine);
  return engine ? *std::move(engine) : nullptr;
}

/// {"v":7,"pad":"..."} of at least `bytes` bytes.
inline std::string json_of(std::uint64_t version, std::size_t bytes = 0) {
  std::string json = fmt::format(R"({{"v":{},"pad":")", version);
  while (json.size() + 2 < bytes) {
    json += static_cast<char>('a' + (version + json.size() * 7) % 26);
  }
  return json + "\"}";
}

/// Id to JSON; nullopt: deleted.
using Model = std::map<std::string, std::optional<std::string>>;

/// Every id of the model, by get() and by list().
inline void expect_model(Engine& engine, const Model& model) {
  std::map<std::string, std::string> live;
  for (const auto& [id, json] : model) {
    const auto document = engine.get(id);
    ASSERT_TRUE(document.has_value()) << id << ": " << text_of(document);
    ASSERT_EQ(document->has_value(), json.has_value()) << id;
    if (json) {
      ASSERT_EQ((*document)->json, *json) << id;
      live.emplace(id, *json);
    }
  }
  std::map<std::string, std::string> listed;
  std::string from;
  while (true) {
    const auto documents = engine.list("", from, 7);
    ASSERT_TRUE(documents.has_value()) << text_of(documents);
    for (const auto& document : *documents) {
      listed.emplace(document.id, document.json);
    }
    if (documents->size() < 7) {
      break;
    }
    from = documents->back().id + '\0';
  }
  ASSERT_EQ(listed, live);
}

}  // namespace pluresdb::testing
