// One class for each defect; how often it strikes is chosen so that most operations stay right: a
// harness that notices only what is always wrong notices nothing.
#include "harness/worker/defect_target.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <forward_list>
#include <fstream>
#include <ios>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <signal.h>
#include <unistd.h>

#include "harness/common/worker_config.h"
#include "harness/worker/target.h"
#include <pluresdb/error.h>
#include <pluresdb/stats.h>

namespace soak::worker {
namespace {

using pluresdb::ErrorCode;
using pluresdb::Result;
using pluresdb::Status;

class HonestTarget : public Target {
 public:
  explicit HonestTarget(std::unique_ptr<Target> target) : target_(std::move(target)) {}

  Result<std::uint64_t> put(std::string_view actor, std::string_view id,
                            std::string_view json) override {
    return target_->put(actor, id, json);
  }
  Result<std::uint64_t> erase(std::string_view actor, std::string_view id) override {
    return target_->erase(actor, id);
  }
  Result<std::optional<std::string>> get(std::string_view id) override { return target_->get(id); }
  Status scan(const Visit& visit) override { return target_->scan(visit); }
  Result<std::uint64_t> checkpoint() override { return target_->checkpoint(); }
  pluresdb::EngineStats stats() override { return target_->stats(); }
  pluresdb::RecoveryReport recovery() override { return target_->recovery(); }
  Status close() override { return target_->close(); }

 private:
  const std::unique_ptr<Target> target_;
};

/// True for every `period`-th call. Thread: any.
class Every {
 public:
  explicit Every(std::uint64_t period) : period_(period) {}
  bool operator()() { return ++calls_ % period_ == 0; }

 private:
  const std::uint64_t period_;
  std::atomic<std::uint64_t> calls_ = 0;
};

class LostDeletes final : public HonestTarget {
 public:
  using HonestTarget::HonestTarget;
  Result<std::uint64_t> erase(std::string_view actor, std::string_view id) override {
    return strikes_() ? Result<std::uint64_t>(0) : HonestTarget::erase(actor, id);
  }

 private:
  Every strikes_{10};
};

class LostUpdates final : public HonestTarget {
 public:
  using HonestTarget::HonestTarget;
  Result<std::uint64_t> put(std::string_view actor, std::string_view id,
                            std::string_view json) override {
    if (strikes_()) {
      TRY_ASSIGN(const std::optional<std::string> before, get(id));
      if (before.has_value()) {
        return std::uint64_t{0};
      }
    }
    return HonestTarget::put(actor, id, json);
  }

 private:
  Every strikes_{20};
};

/// A tombstone that is dropped too early: an old write of the document arrives after it.
class ResurrectedTombstones final : public HonestTarget {
 public:
  using HonestTarget::HonestTarget;

  Result<std::uint64_t> erase(std::string_view actor, std::string_view id) override {
    TRY_ASSIGN(std::optional<std::string> before, get(id));
    TRY_ASSIGN(const std::uint64_t seq, HonestTarget::erase(actor, id));
    if (before.has_value() && strikes_()) {
      const std::lock_guard lock(mutex_);
      dead_.push_back({std::string(actor), std::string(id), *std::move(before), writes_ + kDelay});
    }
    return seq;
  }
  Result<std::uint64_t> put(std::string_view actor, std::string_view id,
                            std::string_view json) override {
    TRY_ASSIGN(const std::uint64_t seq, HonestTarget::put(actor, id, json));
    if (const auto dead = next_to_rise()) {
      TRY_ASSIGN(const std::optional<std::string> there, get(dead->id));
      if (!there.has_value()) {
        TRY(HonestTarget::put(dead->actor, dead->id, dead->json));
      }
    }
    return seq;
  }

 private:
  struct Dead {
    std::string actor, id, json;
    std::uint64_t rises_at = 0;
  };
  std::optional<Dead> next_to_rise() {
    const std::lock_guard lock(mutex_);
    if (++writes_; dead_.empty() || dead_.front().rises_at > writes_) {
      return std::nullopt;
    }
    Dead dead = std::move(dead_.front());
    dead_.pop_front();
    return dead;
  }

  static constexpr std::uint64_t kDelay = 16;
  Every strikes_{4};
  std::mutex mutex_;
  std::deque<Dead> dead_;     ///< Guarded by mutex_.
  std::uint64_t writes_ = 0;  ///< Guarded by mutex_.
};

class WrongBytes final : public HonestTarget {
 public:
  using HonestTarget::HonestTarget;
  Result<std::optional<std::string>> get(std::string_view id) override {
    TRY_ASSIGN(std::optional<std::string> document, HonestTarget::get(id));
    if (document.has_value() && strikes_()) {
      spoil(*document);
    }
    return document;
  }
  Status scan(const Visit& visit) override {
    return HonestTarget::scan([&](std::string_view id, const Json& json) {
      if (!json || !strikes_()) {
        return visit(id, json);
      }
      std::string document(*json);
      spoil(document);
      return visit(id, std::string_view(document));
    });
  }

 private:
  static void spoil(std::string& document) { document[document.size() / 2] ^= 1; }
  Every strikes_{100};
};

/// A buffer that two writers share: each stores what the other has written.
class SwappedPayloads final : public HonestTarget {
 public:
  using HonestTarget::HonestTarget;
  Result<std::uint64_t> put(std::string_view actor, std::string_view id,
                            std::string_view json) override {
    const std::optional<std::string> other = exchange(actor, json);
    return HonestTarget::put(actor, id, other.has_value() ? *other : json);
  }

 private:
  struct Waiting {
    std::string_view actor, json;
    std::optional<std::string> taken;
  };

  std::optional<std::string> exchange(std::string_view actor, std::string_view json) {
    std::unique_lock lock(mutex_);
    if (waiting_ != nullptr && waiting_->actor != actor) {
      std::string theirs(waiting_->json);
      waiting_->taken = json;
      waiting_ = nullptr;
      met_.notify_all();
      return theirs;
    }
    if (waiting_ != nullptr || !strikes_()) {
      return std::nullopt;
    }
    Waiting mine{.actor = actor, .json = json, .taken = std::nullopt};
    waiting_ = &mine;
    // The other agents may have been stopped: then this one goes on alone.
    met_.wait_for(lock, kPatience, [&] { return mine.taken.has_value(); });
    if (!mine.taken.has_value()) {
      waiting_ = nullptr;
    }
    return std::move(mine.taken);
  }

  static constexpr std::chrono::milliseconds kPatience{200};
  Every strikes_{16};
  std::mutex mutex_;
  std::condition_variable met_;
  Waiting* waiting_ = nullptr;  ///< Guarded by mutex_.
};

class RefusedButWritten final : public HonestTarget {
 public:
  using HonestTarget::HonestTarget;
  Result<std::uint64_t> put(std::string_view actor, std::string_view id,
                            std::string_view json) override {
    TRY_ASSIGN(const std::uint64_t seq, HonestTarget::put(actor, id, json));
    if (strikes_()) {
      return pluresdb::fail(ErrorCode::kNoSpace, "planted: refused, and written");
    }
    return seq;
  }

 private:
  Every strikes_{16};
};

class AlienDocuments final : public HonestTarget {
 public:
  using HonestTarget::HonestTarget;
  Result<std::uint64_t> put(std::string_view actor, std::string_view id,
                            std::string_view json) override {
    if (strikes_()) {
      TRY(HonestTarget::put(actor, "index/" + std::string(id), "{}"));
    }
    return HonestTarget::put(actor, id, json);
  }

 private:
  Every strikes_{100};
};

class IncompleteScans final : public HonestTarget {
 public:
  using HonestTarget::HonestTarget;
  Status scan(const Visit& visit) override {
    return HonestTarget::scan(
        [&](std::string_view id, const Json& json) { return strikes_() || visit(id, json); });
  }

 private:
  Every strikes_{100};
};

/// As the kernel ends a process that needs too much memory.
class SuddenDeath final : public HonestTarget {
 public:
  using HonestTarget::HonestTarget;
  Result<std::uint64_t> put(std::string_view actor, std::string_view id,
                            std::string_view json) override {
    if (strikes_()) {
      static_cast<void>(::kill(::getpid(), SIGKILL));
    }
    return HonestTarget::put(actor, id, json);
  }

 private:
  Every strikes_{500};
};

class RefusesWrites final : public HonestTarget {
 public:
  using HonestTarget::HonestTarget;
  Result<std::uint64_t> put(std::string_view /*actor*/, std::string_view /*id*/,
                            std::string_view /*json*/) override {
    return pluresdb::fail(ErrorCode::kNoSpace, "planted: never enough space again");
  }
};

/// What is damaged is passed off as never written.
class HiddenDamage final : public HonestTarget {
 public:
  using HonestTarget::HonestTarget;
  Result<std::optional<std::string>> get(std::string_view id) override {
    auto read = HonestTarget::get(id);
    if (!read && read.error().code == ErrorCode::kCorruption) {
      return std::optional<std::string>();
    }
    return read;
  }
  Status scan(const Visit& visit) override {
    const Status scanned = HonestTarget::scan(
        [&](std::string_view id, const Json& json) { return !json || visit(id, json); });
    return !scanned && scanned.error().code == ErrorCode::kCorruption ? Status{} : scanned;
  }
  pluresdb::RecoveryReport recovery() override {
    pluresdb::RecoveryReport report = HonestTarget::recovery();
    report.wal.lost.clear();
    return report;
  }
};

/// A log for debugging that a developer has forgotten: not through the seam, not encrypted.
class PlaintextLeak final : public HonestTarget {
 public:
  PlaintextLeak(std::unique_ptr<Target> target, const std::string& data_directory)
      : HonestTarget(std::move(target)),
        log_(std::filesystem::path(data_directory) / "debug.log", std::ios::app) {}
  Result<std::uint64_t> put(std::string_view actor, std::string_view id,
                            std::string_view json) override {
    if (strikes_()) {
      const std::lock_guard lock(mutex_);
      log_ << "put " << id << '\n' << std::flush;
    }
    return HonestTarget::put(actor, id, json);
  }

 private:
  Every strikes_{100};
  std::mutex mutex_;
  std::ofstream log_;  ///< Guarded by mutex_.
};

/// Reachable for ever, so that only growth can give it away.
class SlowLeak final : public HonestTarget {
 public:
  using HonestTarget::HonestTarget;
  Result<std::uint64_t> put(std::string_view actor, std::string_view id,
                            std::string_view json) override {
    leak();
    return HonestTarget::put(actor, id, json);
  }
  Result<std::uint64_t> erase(std::string_view actor, std::string_view id) override {
    leak();
    return HonestTarget::erase(actor, id);
  }
  Result<std::optional<std::string>> get(std::string_view id) override {
    leak();
    return HonestTarget::get(id);
  }

 private:
  void leak() {
    const std::lock_guard lock(mutex_);
    leaked_.emplace_front().fill(std::byte{1});
  }

  static constexpr std::size_t kBytesPerOperation = 100;
  std::mutex mutex_;
  std::forward_list<std::array<std::byte, kBytesPerOperation>> leaked_;  ///< Guarded by mutex_.
};

using Plant = std::unique_ptr<Target> (*)(std::unique_ptr<Target> target,
                                          const WorkerConfig& config);

template <typename Defect>
std::unique_ptr<Target> plant(std::unique_ptr<Target> target, const WorkerConfig& config) {
  if constexpr (std::is_constructible_v<Defect, std::unique_ptr<Target>, const std::string&>) {
    return std::make_unique<Defect>(std::move(target), config.data_directory);
  } else {
    return std::make_unique<Defect>(std::move(target));
  }
}
std::unique_ptr<Target> leave_alone(std::unique_ptr<Target> target,
                                    const WorkerConfig& /*config*/) {
  return target;
}

struct Known {
  std::string_view name;
  std::uint32_t from_incarnation;  ///< Earlier workers are honest.
  Plant plant;
};
constexpr std::string_view kEarlyAck = "early_ack";
constexpr std::array<Known, 14> kKnown = {{
    {kEarlyAck, 1, leave_alone},  // config_with_defect plants it.
    {"lost_delete", 1, plant<LostDeletes>},
    {"lost_update", 1, plant<LostUpdates>},
    {"resurrected_tombstone", 1, plant<ResurrectedTombstones>},
    {"wrong_bytes", 1, plant<WrongBytes>},
    {"swapped_payloads", 1, plant<SwappedPayloads>},
    {"refused_but_written", 1, plant<RefusedButWritten>},
    {"alien_document", 1, plant<AlienDocuments>},
    {"incomplete_scan", 1, plant<IncompleteScans>},
    {"sudden_death", 1, plant<SuddenDeath>},
    {"never_resumes", 2, plant<RefusesWrites>},
    {"hidden_damage", 1, plant<HiddenDamage>},
    {"plaintext_leak", 1, plant<PlaintextLeak>},
    {"slow_leak", 1, plant<SlowLeak>},
}};

const Known* find(std::string_view name) {
  const auto* const found = std::find_if(kKnown.begin(), kKnown.end(),
                                         [&](const Known& known) { return known.name == name; });
  return found == kKnown.end() ? nullptr : found;
}

}  // namespace

bool is_target_defect(std::string_view name) { return find(name) != nullptr; }

WorkerConfig config_with_defect(const WorkerConfig& config) {
  WorkerConfig changed = config;
  if (config.defect == kEarlyAck) {
    changed.durability = "none";
  }
  return changed;
}

std::unique_ptr<Target> plant_defect(const WorkerConfig& config, std::unique_ptr<Target> target) {
  const Known* known = find(config.defect);
  return known == nullptr || config.incarnation < known->from_incarnation
             ? std::move(target)
             : known->plant(std::move(target), config);
}

}  // namespace soak::worker
