// Laws of the parts of engine/core that do no I/O, against a plain map. Each law names the mutant
// that was seen to break it.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "engine/base/clock.h"
#include "engine/core/document_table.h"
#include "engine/core/stamper.h"
#include "engine/crdt/version_vector.h"
#include "engine/store/base_store.h"
#include "engine/wal/log.h"
#include <pluresdb/document.h>

namespace pluresdb::core {
namespace {

using BaseContents = std::map<std::string, store::BaseValue>;

/// `id` and `json` must outlive the record.
wal::RecordView record_of(Seq seq, std::string_view id, std::string_view json, bool erases) {
  wal::RecordView record;
  record.seq = seq;
  record.hlc = seq;
  record.actor_seq = seq;
  record.actor = "a";
  record.type = erases ? wal::OperationType::kDelete : wal::OperationType::kPut;
  record.id = id;
  record.value = erases ? std::string_view{} : json;
  return record;
}

void take(DocumentTable::Frozen& frozen, BaseContents& base) {
  std::string id;
  store::BaseValue value;
  std::string last;
  while (frozen.source->next(id, value)) {
    RC_ASSERT(last.empty() || last < id);
    last = id;
    base[id] = value;
  }
}

// Red with: thaw() lets the frozen entry win; drop_frozen() drops the active one;
// range() compares with < and emits both generations' entry of one id.
TEST(DocumentTableLaws, TableOverBaseStoreIsTheModelWhateverCheckpointsDo) {
  EXPECT_TRUE(rc::check("table over base = model", [] {
    DocumentTable table;
    BaseContents base;
    std::map<std::string, Seq> model;  // The last write of each id.
    Seq seq = 0;
    bool is_frozen = false;
    BaseContents pending;  // What the frozen generation would make of the base store.
    const auto steps = *rc::gen::inRange(0, 60);
    for (int step = 0; step < steps; ++step) {
      const auto kind = *rc::gen::inRange(0, 10);
      if (kind < 7) {
        const std::string id = fmt::format("{}", *rc::gen::inRange(0, 8));
        const bool erases = *rc::gen::inRange(0, 4) == 0;
        ++seq;
        const std::string json = fmt::format("{}", seq);
        const auto record = record_of(seq, id, json, erases);
        table.apply({&record, 1});
        model[id] = seq;
      } else if (!is_frozen) {
        auto frozen = table.freeze();
        RC_ASSERT(frozen.meta.checkpoint_seq == seq);
        pending = base;
        take(frozen, pending);
        is_frozen = true;
      } else if (kind < 9) {
        base = pending;
        table.drop_frozen();
        is_frozen = false;
      } else {
        table.thaw();
        is_frozen = false;
      }
      const auto range = table.range("", "", 1000);
      RC_ASSERT(range.complete);
      BaseContents merged = base;
      std::string last;
      for (const auto& [id, value] : range.entries) {
        RC_ASSERT(last.empty() || last < id);
        last = id;
        merged[id] = value;
      }
      RC_ASSERT(merged.size() == model.size());
      for (const auto& [id, written] : model) {
        RC_ASSERT(merged.at(id).seq == written);
        const auto got = table.get(id);
        RC_ASSERT((got ? got->seq : base.at(id).seq) == written);
      }
      RC_ASSERT((table.bytes() == 0) == range.entries.empty());
    }
    RC_ASSERT(table.last_seq() == seq);
  }));
}

// Red with: range() never reports an end; a page begins behind the wrong id.
TEST(DocumentTableLaws, PagesTogetherAreTheWholeRange) {
  EXPECT_TRUE(rc::check("pages = range", [] {
    DocumentTable table;
    Seq seq = 0;
    const auto writes = *rc::gen::inRange(0, 40);
    const auto freeze_at = *rc::gen::inRange(0, 40);
    for (int i = 0; i < writes; ++i) {
      const std::string id = fmt::format("{}/{}", *rc::gen::inRange(0, 3), *rc::gen::inRange(0, 9));
      const auto record = record_of(++seq, id, "1", *rc::gen::inRange(0, 5) == 0);
      table.apply({&record, 1});
      if (i == freeze_at) {
        (void)table.freeze();
      }
    }
    const std::string prefix = *rc::gen::element<std::string>("", "1/", "2", "3");
    const auto whole = table.range(prefix, "", 1000);
    const auto page_size = *rc::gen::inRange<std::size_t>(1, 5);
    std::vector<std::pair<std::string, store::BaseValue>> pages;
    std::string from;
    while (true) {
      const auto page = table.range(prefix, from, page_size);
      pages.insert(pages.end(), page.entries.begin(), page.entries.end());
      if (page.complete) {
        break;
      }
      RC_ASSERT(!page.entries.empty());
      from = page.entries.back().first + '\0';
    }
    RC_ASSERT(pages == whole.entries);
  }));
}

/// Any instants, backwards too.
class WildClock final : public Clock {
 public:
  std::int64_t wall_us() override {
    return 1'800'000'000'000'000 + *rc::gen::inRange<std::int64_t>(-1'000'000, 1'000'000);
  }
  std::int64_t monotonic_ns() override { return ++monotonic_ns_ * 1000; }

 private:
  std::int64_t monotonic_ns_ = 0;
};

// Red with: restore() ignores the floor; unstamp() removes the actor altogether.
TEST(StamperLaws, NoDotTwiceAndClocksGrowOverRestartsAndTakenBackGroups) {
  EXPECT_TRUE(rc::check("dots are unique, hlc grows", [] {
    WildClock clock;
    auto stamper = std::make_unique<Stamper>(clock);
    std::map<std::string, std::uint64_t> durable;  // Highest actor_seq that was written.
    Hlc last_hlc = 0;
    std::uint64_t lost_through = 0;
    const auto groups = *rc::gen::inRange(0, 20);
    Seq seq = 0;
    for (int group = 0; group < groups; ++group) {
      std::vector<wal::RecordView> records;
      std::vector<std::string> actors(static_cast<std::size_t>(*rc::gen::inRange(1, 5)));
      for (auto& actor : actors) {
        actor = *rc::gen::element<std::string>("a", "b", "c");
        const auto stamp = stamper->stamp(actor);
        RC_ASSERT(stamp.hlc > last_hlc);
        last_hlc = stamp.hlc;
        wal::RecordView record;
        record.actor = actor;
        record.actor_seq = stamp.actor_seq;
        record.hlc = stamp.hlc;
        records.push_back(record);
      }
      if (*rc::gen::inRange(0, 3) == 0) {
        stamper->unstamp(records);
        continue;
      }
      for (const auto& record : records) {
        ++seq;
        RC_ASSERT(record.actor_seq > durable[std::string(record.actor)]);
        RC_ASSERT(record.actor_seq <= std::max(seq, lost_through + seq));
        durable[std::string(record.actor)] = record.actor_seq;
      }
      if (*rc::gen::inRange(0, 4) == 0) {  // Reopened; sometimes the last writes were lost.
        crdt::VersionVector issued;
        if (*rc::gen::inRange(0, 2) == 0) {
          lost_through = std::max(lost_through, seq + lost_through);
          seq = 0;
        } else {
          for (const auto& [actor, actor_seq] : durable) {
            issued.advance(actor, actor_seq);
          }
        }
        const Hlc floor = stamper->hlc_floor();
        stamper = std::make_unique<Stamper>(clock);
        stamper->restore(floor, issued, lost_through);
      }
    }
  }));
}

}  // namespace
}  // namespace pluresdb::core
