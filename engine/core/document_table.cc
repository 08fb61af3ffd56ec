#include "engine/core/document_table.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/check.h"
#include "engine/base/mutex.h"
#include "engine/base/worker_team.h"
#include "engine/core/actor_names.h"
#include "engine/core/table_generation.h"
#include "engine/crdt/version_vector.h"
#include "engine/store/base_store.h"
#include "engine/wal/log.h"
#include <pluresdb/document.h>

namespace pluresdb::core {
namespace {

struct Placement {
  std::size_t shard = 0;
  std::uint32_t tag = 0;
};

/// The same in every process: what a run does must not depend on chance.
Placement placement_of(std::string_view id) {
  constexpr int kShardShift = 60;
  static_assert(DocumentTable::kShards == 1ULL << (64 - kShardShift));
  const std::uint64_t hash = std::hash<std::string_view>{}(id);
  return {.shard = static_cast<std::size_t>(hash >> kShardShift),
          .tag = static_cast<std::uint32_t>(hash)};
}

bool names_document(const wal::RecordView& record) {
  return record.type == wal::OperationType::kPut || record.type == wal::OperationType::kDelete;
}

void fill_value(const StoredDocument& document, const ActorNames& names, store::BaseValue& value) {
  value.kind = document.kind;
  value.stamp.hlc = document.hlc;
  value.stamp.actor.assign(names.name_of(document.actor));
  value.stamp.actor_seq = document.actor_seq;
  value.seq = document.seq;
  value.json.assign(document.json());
  const bool in_log = document.kind == store::ValueKind::kInLog;
  value.value_bytes = in_log ? document.value_bytes : 0;
  value.value_crc = document.value_crc;
}

}  // namespace

/// Walks the frozen generation, which nobody changes meanwhile.
class DocumentTable::FrozenSource final : public store::CheckpointSource {
 public:
  using Shards = std::array<const TableGeneration*, kShards>;
  FrozenSource(const Shards& shards, const ActorNames& names) : shards_(shards), names_(names) {}

  bool next(std::string& id, store::BaseValue& value) override {
    if (!collected_) {
      collect();
    }
    if (position_ == documents_.size()) {
      return false;
    }
    const StoredDocument& document = *documents_[position_++];
    if (position_ + kPrefetchDistance < documents_.size()) {
      __builtin_prefetch(documents_[position_ + kPrefetchDistance]);
    }
    id.assign(document.id());
    fill_value(document, names_, value);
    return true;
  }

 private:
  static constexpr std::size_t kPrefetchDistance = 4;

  void collect() {
    collected_ = true;
    for (const TableGeneration* const shard : shards_) {
      documents_.insert(documents_.end(), shard->all().begin(), shard->all().end());
    }
    sort_by_id(documents_);
  }

  const Shards shards_;
  const ActorNames& names_;
  bool collected_ = false;  // Not at once: whoever freezes holds up the writers.
  std::vector<const StoredDocument*> documents_;
  std::size_t position_ = 0;
};

/// Merges the sorted runs of all shards and generations, from one id on. While it lives it holds
/// the locks of all shards, which the analysis cannot follow.
class DocumentTable::RangeCollector {
 public:
  RangeCollector(std::array<Shard, kShards>& shards, std::string_view start,
                 std::string_view prefix) NO_THREAD_SAFETY_ANALYSIS : shards_(shards),
                                                                      prefix_(prefix) {
    for (Shard& shard : shards_) {
      // Most of the sorting, with one lock at a time.
      const base::MutexLock lock(shard.mutex);
      (void)shard.active.ordered_runs();
      (void)shard.frozen.ordered_runs();
    }
    for (Shard& shard : shards_) {
      shard.mutex.lock();
      add_runs(shard.active, start, true);
      add_runs(shard.frozen, start, false);
    }
    std::ranges::make_heap(heads_, behind);
  }
  ~RangeCollector() NO_THREAD_SAFETY_ANALYSIS {
    for (Shard& shard : shards_) {
      shard.mutex.unlock();
    }
  }
  RangeCollector(const RangeCollector&) = delete;
  RangeCollector& operator=(const RangeCollector&) = delete;
  RangeCollector(RangeCollector&&) = delete;
  RangeCollector& operator=(RangeCollector&&) = delete;

  /// Null at the end. Of two generations' documents only the active one.
  const StoredDocument* next() {
    const StoredDocument* const document = pop();
    while (document != nullptr && !heads_.empty() && heads_.front().id == document->id()) {
      (void)pop();
    }
    return document;
  }
  [[nodiscard]] bool at_end() const { return heads_.empty(); }

 private:
  /// What one run has left.
  struct Head {
    std::string_view id;
    std::span<StoredDocument* const> documents;
    std::span<const std::uint32_t> places;
    bool active = false;
  };

  /// For a heap with the least id in front, and of equal ones the active generation's.
  static bool behind(const Head& left, const Head& right) {
    const int order = left.id.compare(right.id);
    return order != 0 ? order > 0 : right.active && !left.active;
  }

  void add_runs(TableGeneration& generation, std::string_view start, bool active) {
    const std::span<StoredDocument* const> documents = generation.all();
    for (const TableGeneration::Run& run : generation.ordered_runs()) {
      const auto first = std::ranges::lower_bound(
          run, start, {}, [&](std::uint32_t place) { return documents[place]->id(); });
      Head head{.id = {}, .documents = documents, .places = {first, run.end()}, .active = active};
      if (has_more(head)) {
        heads_.push_back(head);
      }
    }
  }

  bool has_more(Head& head) const {
    if (head.places.empty()) {
      return false;
    }
    head.id = head.documents[head.places.front()]->id();
    return head.id.starts_with(prefix_);
  }

  const StoredDocument* pop() {
    if (heads_.empty()) {
      return nullptr;
    }
    std::ranges::pop_heap(heads_, behind);
    Head& head = heads_.back();
    const StoredDocument* const document = head.documents[head.places.front()];
    head.places = head.places.subspan(1);
    if (has_more(head)) {
      std::ranges::push_heap(heads_, behind);
    } else {
      heads_.pop_back();
    }
    return document;
  }

  std::array<Shard, kShards>& shards_;
  const std::string_view prefix_;
  std::vector<Head> heads_;
};

DocumentTable::Totals DocumentTable::totals_of(const TableGeneration& generation) {
  return {.documents = generation.documents(),
          .bytes = generation.bytes(),
          .tombstones = generation.tombstones(),
          .progress = {}};
}

void DocumentTable::add(Totals& sum, const Totals& more) {
  sum.documents += more.documents;
  sum.bytes += more.bytes;
  sum.tombstones += more.tombstones;
}

store::BaseValue DocumentTable::value_of(const StoredDocument& document) const {
  store::BaseValue value;
  fill_value(document, names_, value);
  return value;
}

void DocumentTable::restore(const store::CheckpointMeta& meta) {
  const base::MutexLock lock(mutex_);
  last_seq_ = meta.checkpoint_seq;
  hlc_floor_ = meta.hlc_floor;
  base_tombstones_ = meta.tombstones;
  for (const auto& [actor, actor_seq] : meta.version_vector) {
    const std::uint32_t number = names_.number_of(actor);
    actor_seqs_.resize(std::max<std::size_t>(actor_seqs_.size(), number + 1ULL));
    actor_seqs_[number] = std::max(actor_seqs_[number], actor_seq);
  }
}

void DocumentTable::stage(std::span<const wal::RecordView> records, Staged& staged) {
  for (auto& shard : staged.shards_) {
    shard.clear();
  }
  Summary& summary = staged.summary_;
  summary = {.actors = std::exchange(summary.actors, {})};
  summary.actors.clear();  // Keeps its memory.
  staged.bytes_ = 0;
  std::map<std::string_view, std::size_t> actors;  // Into summary.actors.
  std::string_view last_actor;
  std::size_t last_index = 0;
  for (const wal::RecordView& record : records) {
    if (record.actor != last_actor || summary.actors.empty()) {
      const auto [known, added] = actors.try_emplace(record.actor, summary.actors.size());
      if (added) {
        summary.actors.push_back({.actor = names_.number_of(record.actor), .actor_seq = 0});
      }
      last_actor = record.actor;
      last_index = known->second;
    }
    summary.add(record, last_index);
    if (names_document(record)) {
      const Placement placement = placement_of(record.id);
      staged.bytes_ += TableGeneration::bytes_of(record);
      staged.shards_[placement.shard].push_back(
          {.record = &record, .tag = placement.tag, .actor = summary.actors[last_index].actor});
    }
  }
}

void DocumentTable::collect(const wal::RecordView& record, Collected& collected) {
  Summary& summary = collected.summary_;
  auto known = collected.actors_.find(record.actor);
  if (known == collected.actors_.end()) {
    known = collected.actors_.emplace(record.actor, summary.actors.size()).first;
    summary.actors.push_back({.actor = names_.number_of(record.actor), .actor_seq = 0});
  }
  summary.add(record, known->second);
  if (names_document(record)) {
    const Placement placement = placement_of(record.id);
    collected.shards_[placement.shard].add(
        {.record = &record, .tag = placement.tag, .actor = summary.actors[known->second].actor});
  }
}

void DocumentTable::Summary::add(const wal::RecordView& record, std::size_t actor) {
  DB_CHECK(record.seq > last_seq);  // INV-CORE-2
  first_seq = first_seq == 0 ? record.seq : first_seq;
  last_seq = record.seq;
  highest_hlc = std::max(highest_hlc, record.hlc);
  ++operations;
  progress_bytes +=
      record.id.size() + std::max<std::uint64_t>(record.value.size(), record.value_bytes);
  actors[actor].actor_seq = std::max(actors[actor].actor_seq, record.actor_seq);
}

template <typename Fill>
DocumentTable::Totals DocumentTable::grow(Shard& shard, const Fill& fill) {
  const base::MutexLock lock(shard.mutex);
  const Totals before = totals_of(shard.active);
  fill(shard.active);
  const Totals after = totals_of(shard.active);
  return {.documents = after.documents - before.documents,
          .bytes = after.bytes - before.bytes,
          .tombstones = after.tombstones - before.tombstones,
          .progress = {}};
}

/// The records are in the shards, which have grown by `grown`.
void DocumentTable::note(const Summary& records, const Totals& grown) {
  active_.documents += grown.documents;
  active_.bytes += grown.bytes;
  active_.tombstones += grown.tombstones;
  active_.progress.operations += records.operations;
  active_.progress.bytes += records.progress_bytes;
  operations_total_ += records.operations;
  if (records.operations == 0) {
    return;
  }
  DB_CHECK(records.first_seq > last_seq_);  // INV-CORE-2
  last_seq_ = records.last_seq;
  hlc_floor_ = std::max(hlc_floor_, records.highest_hlc);
  for (const Summary::ActorHighest& actor : records.actors) {
    if (actor.actor >= actor_seqs_.size()) {
      actor_seqs_.resize(actor.actor + 1ULL);
    }
    actor_seqs_[actor.actor] = std::max(actor_seqs_[actor.actor], actor.actor_seq);
  }
}

void DocumentTable::apply(std::span<const wal::RecordView> records) {
  const base::MutexLock lock(apply_mutex_);
  stage(records, group_);
  Totals grown;
  for (std::size_t index = 0; index < kShards; ++index) {
    const std::vector<HashedRecord>& own = group_.shards_[index];
    if (!own.empty()) {
      add(grown, grow(shards_[index], [&](TableGeneration& active) { active.put(own); }));
    }
  }
  const base::MutexLock totals_lock(mutex_);
  note(group_.summary_, grown);
}

template <typename Batch, typename Put>
void DocumentTable::apply_batches(std::span<Batch* const> batches, base::WorkerTeam& team,
                                  const Put& put) {
  const base::MutexLock lock(apply_mutex_);
  std::array<Totals, kShards> grown;
  team.run(kShards, [&](std::size_t index) {
    for (Batch* const batch : batches) {
      add(grown[index], grow(shards_[index],
                             [&](TableGeneration& active) { put(active, batch->shards_[index]); }));
    }
  });
  const base::MutexLock totals_lock(mutex_);
  for (const Batch* const batch : batches) {
    note(batch->summary_, {});
  }
  for (const Totals& shard : grown) {
    note({}, shard);
  }
}

void DocumentTable::apply_staged(std::span<Staged* const> batches, base::WorkerTeam& team) {
  apply_batches(batches, team, [](TableGeneration& active, std::span<const HashedRecord> records) {
    active.put(records);
  });
}

void DocumentTable::apply_collected(std::span<Collected* const> batches, base::WorkerTeam& team) {
  apply_batches(batches, team, [](TableGeneration& active, CollectedDocuments& records) {
    active.take(std::move(records));
  });
}

std::optional<store::BaseValue> DocumentTable::get(std::string_view id) const {
  const Placement placement = placement_of(id);
  const Shard& shard = shards_[placement.shard];
  const base::MutexLock lock(shard.mutex);
  for (const TableGeneration* const generation : {&shard.active, &shard.frozen}) {
    if (const StoredDocument* const found = generation->find(placement.tag, id)) {
      return value_of(*found);
    }
  }
  return std::nullopt;
}

DocumentTable::Range DocumentTable::range(std::string_view prefix, std::string_view from,
                                          std::size_t limit) const {
  Range range;
  RangeCollector collector(shards_, std::max(prefix, from), prefix);
  while (range.entries.size() < limit && !collector.at_end()) {
    const StoredDocument& document = *collector.next();
    range.entries.emplace_back(document.id(), value_of(document));
  }
  range.complete = collector.at_end();
  return range;
}

DocumentTable::Frozen DocumentTable::freeze() {
  const base::MutexLock lock(apply_mutex_);
  Frozen result;
  FrozenSource::Shards shards{};
  for (std::size_t index = 0; index < kShards; ++index) {
    Shard& shard = shards_[index];
    const base::MutexLock shard_lock(shard.mutex);
    shard.frozen = std::exchange(shard.active, {});
    shards[index] = &shard.frozen;
  }
  result.source = std::make_unique<FrozenSource>(shards, names_);
  const base::MutexLock totals_lock(mutex_);
  DB_CHECK(!is_frozen_);
  is_frozen_ = true;
  frozen_ = std::exchange(active_, {});
  result.documents = frozen_.documents;
  result.meta.checkpoint_seq = last_seq_;
  result.meta.hlc_floor = hlc_floor_;
  result.meta.tombstones = base_tombstones_ + frozen_.tombstones;
  result.meta.version_vector = highest_actor_seqs();
  return result;
}

void DocumentTable::drop_frozen() {
  for (Shard& shard : shards_) {
    TableGeneration dropped;  // Freed without the lock: it may hold many documents.
    const base::MutexLock lock(shard.mutex);
    dropped = std::exchange(shard.frozen, {});
  }
  const base::MutexLock lock(mutex_);
  DB_CHECK(is_frozen_);  // INV-CORE-3
  is_frozen_ = false;
  base_tombstones_ += frozen_.tombstones;
  frozen_ = {};
}

void DocumentTable::thaw() {
  const base::MutexLock lock(apply_mutex_);
  Totals totals;
  for (Shard& shard : shards_) {
    const base::MutexLock shard_lock(shard.mutex);
    shard.active.adopt(std::exchange(shard.frozen, {}));
    add(totals, totals_of(shard.active));
  }
  const base::MutexLock totals_lock(mutex_);
  DB_CHECK(is_frozen_);
  is_frozen_ = false;
  totals.progress.operations = active_.progress.operations + frozen_.progress.operations;
  totals.progress.bytes = active_.progress.bytes + frozen_.progress.bytes;
  active_ = totals;
  frozen_ = {};
}

TableStats DocumentTable::stats() const {
  const base::MutexLock lock(mutex_);
  const auto actors =
      std::ranges::count_if(actor_seqs_, [](auto actor_seq) { return actor_seq > 0; });
  return {.documents = active_.documents + frozen_.documents,
          .bytes = active_.bytes + frozen_.bytes,
          .tombstones = base_tombstones_ + active_.tombstones + frozen_.tombstones,
          .actors = static_cast<std::uint64_t>(actors)};
}

std::uint64_t DocumentTable::bytes() const {
  const base::MutexLock lock(mutex_);
  return active_.bytes + frozen_.bytes;
}

Seq DocumentTable::last_seq() const {
  const base::MutexLock lock(mutex_);
  return last_seq_;
}

std::map<std::string, std::uint64_t> DocumentTable::highest_actor_seqs() const {
  std::map<std::string, std::uint64_t> highest;
  for (std::uint32_t number = 0; number < actor_seqs_.size(); ++number) {
    if (actor_seqs_[number] > 0) {
      highest.emplace(names_.name_of(number), actor_seqs_[number]);
    }
  }
  return highest;
}

crdt::VersionVector DocumentTable::version_vector() const {
  const base::MutexLock lock(mutex_);
  crdt::VersionVector::Map highest;
  for (auto& [actor, actor_seq] : highest_actor_seqs()) {
    highest.emplace(actor, actor_seq);
  }
  return crdt::VersionVector(std::move(highest));
}

Hlc DocumentTable::hlc_floor() const {
  const base::MutexLock lock(mutex_);
  return hlc_floor_;
}

DocumentTable::Progress DocumentTable::since_checkpoint() const {
  const base::MutexLock lock(mutex_);
  return active_.progress;
}

std::uint64_t DocumentTable::operations_total() const {
  const base::MutexLock lock(mutex_);
  return operations_total_;
}

}  // namespace pluresdb::core
