// This engine, and its log used alone.
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "engine/bench/peers/peer.h"
#include <pluresdb/document.h>
#include <pluresdb/engine.h>
#include <pluresdb/error.h>
#include <pluresdb/keyring.h>
#include <pluresdb/options.h>
#include <pluresdb/write_ahead_log.h>

namespace pluresdb::bench {
namespace {

EngineOptions options_for(const PeerSettings& settings, Durability durability) {
  EngineOptions options;
  options.durability = durability;
  if (settings.keeps_log_whole) {
    options.checkpoint = {.wal_bytes = 0, .operations = 0, .interval = {}};
    options.dirty_bytes_max = 1ULL << 30;
  }
  return options;
}

std::string actor_of(unsigned writer) { return fmt::format("writer-{:02}", writer); }

class EnginePeer final : public Peer {
 public:
  /// `secret`: null for a plain store.
  static Result<std::unique_ptr<Peer>> open(const PeerSettings& settings,
                                            std::unique_ptr<StoreSecret> secret) {
    auto peer = std::make_unique<EnginePeer>(settings, std::move(secret));
    TRY(peer->reopen(Durability::kWal));
    return peer;
  }
  EnginePeer(const PeerSettings& settings, std::unique_ptr<StoreSecret> secret)
      : settings_(settings), secret_(std::move(secret)) {}

  Status put(unsigned writer, const KeyValue& pair) override {
    TRY(engine_->put(actor_of(writer), pair.key, pair.value));
    return {};
  }
  /// There is no batch in the engine's API: these are puts that do not wait for the disk.
  Status put_many(std::span<const KeyValue> pairs) override {
    if (!is_buffered_) {
      TRY(reopen(Durability::kNone));
    }
    for (const KeyValue& pair : pairs) {
      TRY(engine_->put("writer-00", pair.key, pair.value));
    }
    return {};
  }
  /// Opening trusts nothing that it has not synced, so reopening makes the buffered puts durable;
  /// the write behind them makes the log look as it does while a store is in use.
  Status sync() override {
    if (!is_buffered_) {
      return {};
    }
    TRY(reopen(Durability::kWal));
    TRY(engine_->put("writer-00", "synced", "true"));
    return {};
  }

  Result<std::uint64_t> verify(std::span<const KeyValue> samples) override {
    return verify_by_key(samples, [this](std::string_view key, std::string& found) -> Result<bool> {
      TRY_ASSIGN(auto document, engine_->get(key));
      if (document) {
        found = std::move(document->json);
      }
      return document.has_value();
    });
  }
  Status checkpoint() override {
    TRY(engine_->checkpoint());
    return {};
  }
  Status close() override { return engine_->close(); }

 private:
  Status reopen(Durability durability) {
    engine_.reset();  // Releases, as a crash would; only one open at a time.
    EngineOptions options = options_for(settings_, durability);
    options.secret = secret_.get();
    TRY_ASSIGN(engine_, Engine::open_with_recovery(settings_.directory + "/store", options));
    is_buffered_ = durability == Durability::kNone;
    return {};
  }

  const PeerSettings settings_;
  const std::unique_ptr<StoreSecret> secret_;
  std::unique_ptr<Engine> engine_;
  bool is_buffered_ = false;
};

class LogPeer final : public Peer {
 public:
  explicit LogPeer(std::unique_ptr<WriteAheadLog> log) : log_(std::move(log)) {}

  Status put(unsigned writer, const KeyValue& pair) override {
    TRY(log_->append(actor_of(writer),
                     Put{.id = std::string(pair.key), .json = std::string(pair.value)}));
    return {};
  }
  Status submit(unsigned writer, const KeyValue& pair, PutDone& done) override {
    return log_->append_async(actor_of(writer),
                              Put{.id = std::string(pair.key), .json = std::string(pair.value)},
                              [&done](const Result<Seq>& seq) {
                                done.done(seq ? Status{} : Status(std::unexpected(seq.error())));
                              });
  }
  Status put_many(std::span<const KeyValue> pairs) override {
    std::vector<Operation> batch;
    batch.reserve(pairs.size());
    for (const KeyValue& pair : pairs) {
      batch.emplace_back(Put{.id = std::string(pair.key), .json = std::string(pair.value)});
    }
    TRY(log_->append_batch("writer-00", std::move(batch)));
    return {};
  }
  Status sync() override { return log_->sync(); }

  /// A log has no index: it is read from end to end.
  Result<std::uint64_t> verify(std::span<const KeyValue> samples) override {
    std::unordered_map<std::string_view, std::string_view> wanted;
    for (const KeyValue& sample : samples) {
      wanted.emplace(sample.key, sample.value);
    }
    TRY_ASSIGN(const auto cursor, log_->cursor());
    Entry entry;
    std::uint64_t found = 0;
    while (true) {
      TRY_ASSIGN(const bool more, cursor->next(entry));
      if (!more) {
        break;
      }
      const auto* put = std::get_if<Put>(&entry.operation);
      const auto match = put == nullptr ? wanted.end() : wanted.find(put->id);
      if (match == wanted.end()) {
        continue;
      }
      if (match->second != put->json) {
        return fail(ErrorCode::kCorruption, put->id + " is not what was written");
      }
      ++found;
    }
    if (found != wanted.size()) {
      return fail(ErrorCode::kCorruption, fmt::format("{} of {} acknowledged entries are gone",
                                                      wanted.size() - found, wanted.size()));
    }
    return found;
  }
  Status close() override { return log_->close(); }

 private:
  std::unique_ptr<WriteAheadLog> log_;
};

}  // namespace

Result<std::unique_ptr<Peer>> open_pluresdb(const PeerSettings& settings) {
  return EnginePeer::open(settings, nullptr);
}

Result<std::unique_ptr<Peer>> open_pluresdb_encrypted(const PeerSettings& settings) {
  constexpr std::size_t kKeyBytes = 32;
  const std::array<std::byte, kKeyBytes> key{};  // Of no use to anybody but this benchmark.
  TRY_ASSIGN(auto secret, StoreSecret::device_key(key));
  return EnginePeer::open(settings, std::make_unique<StoreSecret>(std::move(secret)));
}

Result<std::unique_ptr<Peer>> open_pluresdb_log(const PeerSettings& settings) {
  const Durability durability = settings.keeps_log_whole ? Durability::kNone : Durability::kWal;
  TRY_ASSIGN(auto log,
             WriteAheadLog::open(settings.directory + "/log", options_for(settings, durability)));
  return std::make_unique<LogPeer>(std::move(log));
}

}  // namespace pluresdb::bench
