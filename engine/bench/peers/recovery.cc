// See recovery.h.
#include "engine/bench/peers/recovery.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "engine/bench/bench_directory.h"
#include "engine/bench/peers/cell.h"
#include "engine/bench/peers/child_process.h"
#include "engine/bench/peers/machine.h"
#include "engine/bench/peers/message.h"
#include "engine/bench/peers/peer.h"
#include "engine/bench/peers/workload.h"
#include <pluresdb/error.h>

namespace pluresdb::bench {
namespace {

/// What 64 waiting writers would give to one group commit, of documents of 16 agents: a store that
/// logs pages logs about as many as in use.
constexpr std::uint64_t kBatchEntries = 64;
constexpr unsigned kWriters = 16;

struct Opened {
  Outcome outcome;
  double open_seconds = 0;
  std::uint64_t resident_bytes = 0;
  double checkpoint_seconds = 0;
  double clean_open_seconds = 0;
};

class Stopwatch {
 public:
  [[nodiscard]] double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

PeerSettings settings_for(const std::string& directory) {
  return {.directory = directory, .value_bytes = kRecoveryValueBytes, .keeps_log_whole = true};
}

OwnedPair pair_of(Workload& workload, std::uint64_t number) {
  return workload.owned_pair(static_cast<unsigned>(number % kWriters), number / kWriters);
}

Status fill(const PeerKind& kind, const std::string& directory, std::uint64_t entries,
            std::unique_ptr<Peer>& peer) {
  TRY_ASSIGN(peer, kind.open(settings_for(directory)));
  Workload workload(kRecoveryValueBytes, kWriters);
  std::vector<OwnedPair> batch;
  std::vector<KeyValue> views;
  for (std::uint64_t first = 0; first < entries; first += kBatchEntries) {
    batch.clear();
    views.clear();
    for (std::uint64_t number = first; number < std::min(first + kBatchEntries, entries);
         ++number) {
      batch.push_back(pair_of(workload, number));
    }
    for (const OwnedPair& pair : batch) {
      views.push_back(pair.view());
    }
    TRY(peer->put_many(views));
  }
  return peer->sync();
}

/// Fills in a process of its own and kills it while the store is open.
Status fill_and_kill(const PeerKind& kind, const std::string& directory, std::uint64_t entries) {
  TRY_ASSIGN(const auto child, ChildProcess::start([&](Channel& channel) {
               std::unique_ptr<Peer> peer;
               const Status filled = fill(kind, directory, entries, peer);
               (void)channel.send(Outcome::of(filled));  // Without a parent nobody cares.
               (void)channel.receive<Outcome>();         // Never comes: here it is killed.
             }));
  TRY_ASSIGN(const Outcome outcome, child->channel().receive<Outcome>());
  child->kill();
  return outcome.status();
}

/// Opens, reads the last entry; then, when asked, checkpoints, closes and opens again.
Status open_and_read(const PeerKind& kind, const std::string& directory, std::uint64_t entries,
                     bool then_closes, Opened& opened) {
  Workload workload(kRecoveryValueBytes, kWriters);
  const OwnedPair last = pair_of(workload, entries - 1);
  const KeyValue view = last.view();
  const Stopwatch open;
  TRY_ASSIGN(auto peer, kind.open(settings_for(directory)));
  TRY(peer->verify(std::span(&view, 1)));
  opened.open_seconds = open.seconds();
  opened.resident_bytes = resident_bytes_max();
  for (const std::uint64_t number : {std::uint64_t{0}, entries / 3, entries * 2 / 3}) {
    const OwnedPair sample = pair_of(workload, number);
    const KeyValue pair = sample.view();
    TRY(peer->verify(std::span(&pair, 1)));
  }
  if (!then_closes) {
    return {};
  }
  const Stopwatch checkpoint;
  TRY(peer->checkpoint());
  opened.checkpoint_seconds = checkpoint.seconds();
  TRY(peer->close());
  peer.reset();
  const Stopwatch again;
  TRY_ASSIGN(peer, kind.open(settings_for(directory)));
  TRY(peer->verify(std::span(&view, 1)));
  opened.clean_open_seconds = again.seconds();
  return {};
}

/// The copy is written out first: what the store itself syncs is then its own.
Result<std::unique_ptr<BenchDirectory>> copy_of(const std::string& from, const std::string& root) {
  TRY_ASSIGN(auto copy, BenchDirectory::create(root));
  std::error_code code;
  std::filesystem::copy(from, copy->path(), std::filesystem::copy_options::recursive, code);
  if (code) {
    return fail(ErrorCode::kIo, "copy " + from, code.value());
  }
  TRY(settle_file_system(root));
  return copy;
}

Result<Opened> open_copy(const PeerKind& kind, const std::string& root, const std::string& killed,
                         std::uint64_t entries, bool is_last) {
  TRY_ASSIGN(const auto copy, copy_of(killed, root));
  TRY_ASSIGN(const auto child, ChildProcess::start([&](Channel& channel) {
               Opened opened;
               opened.outcome =
                   Outcome::of(open_and_read(kind, copy->path(), entries, is_last, opened));
               (void)channel.send(opened);
             }));
  TRY_ASSIGN(const Opened opened, child->channel().receive<Opened>());
  TRY(opened.outcome.status());
  return opened;
}

template <typename T>
Result<T> named(const PeerKind& kind, Result<T> result) {
  if (!result) {
    result.error().context = std::string(kind.name) + ": " + result.error().context;
  }
  return result;
}

}  // namespace

Result<std::vector<RecoveryResult>> measure_recovery(const std::string& directory,
                                                     std::uint64_t entries,
                                                     std::uint32_t repetitions,
                                                     std::span<const PeerKind> kinds) {
  std::vector<RecoveryResult> results;
  std::vector<std::unique_ptr<BenchDirectory>> killed(kinds.size());
  for (std::size_t index = 0; index < kinds.size(); ++index) {
    const PeerKind& kind = kinds[index];
    RecoveryResult result;
    result.peer = kind.name;
    result.role = kind.role;
    result.is_recovered = kind.is_recovered;
    if (kind.is_recovered) {
      TRY_ASSIGN(killed[index], BenchDirectory::create(directory));
      const Stopwatch filling;
      TRY(named(kind, fill_and_kill(kind, killed[index]->path(), entries)));
      result.fill_seconds = filling.seconds();
    }
    results.push_back(std::move(result));
  }
  for (std::uint32_t repetition = 0; repetition < repetitions; ++repetition) {
    for (std::size_t index = 0; index < kinds.size(); ++index) {
      RecoveryResult& result = results[index];
      if (!result.is_recovered) {
        continue;
      }
      const bool is_last = repetition + 1 == repetitions;
      TRY_ASSIGN(const Opened opened,
                 named(kinds[index], open_copy(kinds[index], directory, killed[index]->path(),
                                               entries, is_last)));
      result.opens.push_back(opened.open_seconds);
      result.open_seconds = median(result.opens);
      result.resident_bytes = std::max(result.resident_bytes, opened.resident_bytes);
      result.checkpoint_seconds = opened.checkpoint_seconds;
      result.clean_open_seconds = opened.clean_open_seconds;
    }
  }
  return results;
}

}  // namespace pluresdb::bench
