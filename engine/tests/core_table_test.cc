// The table of documents that no checkpoint holds yet, and the replay that fills it, against plain
// maps and against one thread. Each test names the mutants that were seen to break it.
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "engine/base/crc32c.h"
#include "engine/base/worker_team.h"
#include "engine/core/document_table.h"
#include "engine/store/base_store.h"
#include "engine/wal/log.h"
#include <pluresdb/document.h>

namespace pluresdb::core {
namespace {

using Contents = std::map<std::string, store::BaseValue>;

/// Records with the texts that they point to.
class Records {
 public:
  void add(wal::RecordView record, std::string actor, std::string id, std::string value) {
    texts_.push_back(std::make_unique<Texts>(std::move(actor), std::move(id), std::move(value)));
    record.actor = texts_.back()->actor;
    record.id = texts_.back()->id;
    record.value = texts_.back()->value;
    views_.push_back(record);
  }
  [[nodiscard]] std::span<const wal::RecordView> views() const { return views_; }

 private:
  struct Texts {
    std::string actor;
    std::string id;
    std::string value;
  };
  std::vector<std::unique_ptr<Texts>> texts_;
  std::vector<wal::RecordView> views_;
};

store::BaseValue value_of(const wal::RecordView& record) {
  store::BaseValue value;
  value.stamp = {
      .hlc = record.hlc, .actor = std::string(record.actor), .actor_seq = record.actor_seq};
  value.seq = record.seq;
  if (record.type == wal::OperationType::kDelete) {
    value.kind = store::ValueKind::kTombstone;
  } else if (record.value_in_log) {
    value.kind = store::ValueKind::kInLog;
    value.value_bytes = record.value_bytes;
    value.value_crc = record.value_crc;
  } else {
    value.json = record.value;
  }
  return value;
}

/// Ids that share beginnings, end inside each other and hold any byte.
std::string any_id() {
  if (*rc::gen::inRange(0, 3) == 0) {
    return fmt::format("agent/{}", *rc::gen::inRange(0, 40));
  }
  const auto size = *rc::gen::inRange<std::size_t>(1, 20);
  std::string id;
  while (id.size() < size) {
    id += *rc::gen::element('\0', 'a', '\xff');
  }
  return id;
}

void add_any_record(Records& records, Seq& seq) {
  ++seq;
  wal::RecordView record;
  record.seq = seq;
  record.hlc = 1000 + seq;
  record.actor_seq = seq;
  const auto kind = *rc::gen::inRange(0, 10);
  std::string value;
  if (kind < 2) {
    record.type = wal::OperationType::kDelete;
  } else if (kind == 2) {
    record.value_in_log = true;
    record.value_bytes = 100'000 + seq;
    record.value_crc = static_cast<std::uint32_t>(seq);
  } else if (kind == 3) {
    record.type = wal::OperationType::kCompact;
  } else {
    value.assign(*rc::gen::element<std::size_t>(0, 1, 7, 100, 1500, 9000),
                 static_cast<char>('a' + seq % 26));
    record.value_bytes = value.size();
  }
  const bool names_document = record.type != wal::OperationType::kCompact;
  records.add(record, *rc::gen::element<std::string>("x", "y", "zz"),
              names_document ? any_id() : "", std::move(value));
}

/// What the table should hold.
struct Model {
  Contents active;
  Contents frozen;
  bool is_frozen = false;
  Seq seq = 0;
  std::uint64_t operations = 0;
  std::map<std::string, std::uint64_t> actors;

  void apply(std::span<const wal::RecordView> records) {
    for (const wal::RecordView& record : records) {
      ++operations;
      actors[std::string(record.actor)] = record.actor_seq;
      if (record.type != wal::OperationType::kCompact) {
        active[std::string(record.id)] = value_of(record);
      }
    }
  }
  [[nodiscard]] Contents merged() const {
    Contents result = active;
    result.insert(frozen.begin(), frozen.end());
    return result;
  }
};

std::uint64_t live_bytes(const Contents& contents) {
  std::uint64_t bytes = 0;
  for (const auto& [id, value] : contents) {
    bytes += id.size() + value.json.size();
  }
  return bytes;
}

void check_range(const DocumentTable& table, const Contents& merged) {
  const std::string prefix = *rc::gen::element<std::string>("", "a", "agent/1", "\xff", "q");
  const std::string from = *rc::gen::oneOf(rc::gen::just(std::string()), rc::gen::exec(any_id));
  const auto limit = *rc::gen::element<std::size_t>(0, 1, 5, 1000);
  std::vector<std::pair<std::string, store::BaseValue>> expected;
  std::size_t matching = 0;
  for (auto at = merged.lower_bound(std::max(prefix, from)); at != merged.end(); ++at) {
    if (!at->first.starts_with(prefix)) {
      break;
    }
    ++matching;
    if (expected.size() < limit) {
      expected.emplace_back(*at);
    }
  }
  const auto range = table.range(prefix, from, limit);
  RC_ASSERT(range.entries == expected);
  RC_ASSERT(range.complete == (matching <= limit));
}

void check(const DocumentTable& table, const Model& model) {
  const Contents merged = model.merged();
  check_range(table, merged);
  for (const auto& [id, value] : merged) {
    RC_ASSERT(table.get(id) == std::optional(value));
  }
  RC_ASSERT(!table.get("not there").has_value());
  const auto stats = table.stats();
  RC_ASSERT(stats.documents == model.active.size() + model.frozen.size());
  RC_ASSERT(stats.actors == model.actors.size());
  RC_ASSERT(table.last_seq() == model.seq);
  RC_ASSERT(table.since_checkpoint().operations == model.operations);
  RC_ASSERT((stats.bytes == 0) == merged.empty());
  const std::uint64_t live = live_bytes(model.active) + live_bytes(model.frozen);
  RC_ASSERT(stats.bytes >= live);
}

// Red with: adopt() lets the older document win; a document that grows keeps its old place; ids
// that end early sorted behind longer ones; of two generations' documents the frozen one listed;
// runs merged by place instead of by id.
RC_GTEST_PROP(DocumentTable, IsTheModelWhateverHappensToIt, ()) {
  DocumentTable table;
  base::WorkerTeam team(*rc::gen::element<std::size_t>(1, 3));
  Model model;
  std::uint64_t frozen_operations = 0;
  const auto steps = *rc::gen::inRange(0, 25);
  for (int step = 0; step < steps; ++step) {
    const auto kind = *rc::gen::inRange(0, 10);
    if (kind < 7) {
      std::vector<Records> batches(*rc::gen::inRange<std::size_t>(1, 4));
      std::vector<DocumentTable::Staged> staged(batches.size());
      std::vector<DocumentTable::Staged*> pointers;
      std::uint64_t bytes_max = table.bytes();
      for (std::size_t i = 0; i < batches.size(); ++i) {
        const auto records = *rc::gen::element(0, 1, 3, 30);
        for (int record = 0; record < records; ++record) {
          add_any_record(batches[i], model.seq);
        }
        model.apply(batches[i].views());
        table.stage(batches[i].views(), staged[i]);
        bytes_max += staged[i].bytes();
        pointers.push_back(&staged[i]);
      }
      if (kind < 3) {
        for (const Records& batch : batches) {
          table.apply(batch.views());
        }
      } else {
        table.apply_staged(pointers, team);
      }
      RC_ASSERT(table.bytes() <= bytes_max);
    } else if (!model.is_frozen) {
      auto frozen = table.freeze();
      model.frozen = std::exchange(model.active, {});
      model.is_frozen = true;
      frozen_operations = std::exchange(model.operations, 0);
      RC_ASSERT(frozen.meta.checkpoint_seq == model.seq);
      RC_ASSERT(frozen.meta.version_vector == model.actors);
      RC_ASSERT(frozen.documents == model.frozen.size());
      std::vector<std::pair<std::string, store::BaseValue>> handed_out;
      std::string id;
      store::BaseValue value;
      while (frozen.source->next(id, value)) {
        handed_out.emplace_back(id, value);
      }
      RC_ASSERT(std::ranges::equal(handed_out, model.frozen, [](const auto& a, const auto& b) {
        return a.first == b.first && a.second == b.second;
      }));
    } else if (kind < 9) {
      table.drop_frozen();
      model.frozen.clear();
      model.is_frozen = false;
    } else {
      table.thaw();
      model.active = model.merged();
      model.frozen.clear();
      model.is_frozen = false;
      model.operations += frozen_operations;
    }
    check(table, model);
  }
}

// Red with: ids that have ended kept among the longer ones (it never comes to an end).
TEST(DocumentTable, IdsThatDifferOnlyInTheNumberOfZeroBytesAreSorted) {
  DocumentTable table;
  constexpr std::size_t kIds = 100;
  for (std::size_t i = 0; i < kIds; ++i) {
    const std::string id((i * 37) % kIds + 1, '\0');
    wal::RecordView record;
    record.seq = i + 1;
    record.actor = "a";
    record.id = id;
    table.apply({&record, 1});
  }
  const auto frozen = table.freeze();
  std::string id;
  store::BaseValue value;
  for (std::size_t i = 0; i < kIds; ++i) {
    ASSERT_TRUE(frozen.source->next(id, value));
    EXPECT_EQ(id, std::string(i + 1, '\0'));
  }
  EXPECT_FALSE(frozen.source->next(id, value));
}

// Red with: compact() never called.
TEST(DocumentTable, OverwritingForEverDoesNotGrowIt) {
  DocumentTable table;
  std::uint64_t bytes_max = 0;
  for (Seq seq = 1; seq <= 50'000; ++seq) {
    const std::string json(seq % 2000, 'x');  // Grows again and again, so it never fits for long.
    wal::RecordView record;
    record.seq = seq;
    record.actor = "a";
    record.actor_seq = seq;
    record.id = seq % 2 == 0 ? "one" : "two";
    record.value = json;
    record.value_bytes = json.size();
    table.apply({&record, 1});
    bytes_max = std::max(bytes_max, table.bytes());
  }
  EXPECT_EQ(table.stats().documents, 2U);
  EXPECT_LT(bytes_max, 64ULL << 10);
  EXPECT_EQ(table.get("two")->json.size(), 49'999U % 2000);
}

// Goal: readers see each document's state only go forward, and list what is there, while a writer
// and checkpoints work. Method: versions grow per id; for ThreadSanitizer above all.
TEST(DocumentTable, ReadersGoOnWhileEverythingMoves) {
  DocumentTable table;
  constexpr std::uint64_t kIds = 300;
  std::atomic<bool> ended = false;
  const auto read = [&] {
    std::vector<Seq> seen(kIds);
    std::uint64_t rounds = 0;
    while (!ended || rounds == 0) {
      ++rounds;
      for (std::uint64_t i = 0; i < kIds; ++i) {
        const auto value = table.get(fmt::format("{:03}", i));
        if (value) {  // Dropped documents are in the base store, which is not here.
          EXPECT_GE(value->seq, seen[i]);
          EXPECT_EQ(value->json, fmt::format("{}", value->seq));
          seen[i] = value->seq;
        }
      }
      const auto range = table.range("1", "", 1000);
      EXPECT_TRUE(std::ranges::is_sorted(range.entries, {}, [](const auto& e) { return e.first; }));
      EXPECT_LE(range.entries.size(), 100U);
    }
  };
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back(read);
  }
  std::thread checkpoints([&] {
    for (int i = 0; !ended; ++i) {
      auto frozen = table.freeze();
      std::string id;
      store::BaseValue value;
      std::uint64_t documents = 0;
      while (frozen.source->next(id, value)) {
        EXPECT_LE(value.seq, frozen.meta.checkpoint_seq);
        ++documents;
      }
      EXPECT_EQ(documents, frozen.documents);
      if (i % 2 == 0) {
        table.drop_frozen();
      } else {
        table.thaw();
      }
    }
  });
  base::WorkerTeam team(2);
  for (Seq seq = 1; seq <= 20'000; ++seq) {
    const std::string id = fmt::format("{:03}", (seq * 7) % kIds);
    const std::string json = fmt::format("{}", seq);
    wal::RecordView record;
    record.seq = seq;
    record.actor = seq % 100 == 0 ? std::string_view(id) : "a";
    record.actor_seq = seq;
    record.id = id;
    record.value = json;
    record.value_bytes = json.size();
    if (seq % 50 == 0) {
      DocumentTable::Staged staged;
      table.stage({&record, 1}, staged);
      DocumentTable::Staged* const pointer = &staged;
      table.apply_staged({&pointer, 1}, team);
    } else {
      table.apply({&record, 1});
    }
    if (seq % 1000 == 0) {
      ASSERT_EQ(table.last_seq(), seq);
    }
  }
  ended = true;
  for (std::thread& reader : readers) {
    reader.join();
  }
  checkpoints.join();
}

TEST(DocumentTableDeathTest, SeqsThatDoNotAscendAbort) {
  DocumentTable table;
  wal::RecordView record;
  record.seq = 5;
  record.actor = "a";
  record.id = "x";
  table.apply({&record, 1});
  EXPECT_DEATH(table.apply({&record, 1}), "check failed");
  const std::vector<wal::RecordView> twice{record, record};
  DocumentTable other;
  EXPECT_DEATH(other.apply(twice), "check failed");
}

}  // namespace
}  // namespace pluresdb::core
