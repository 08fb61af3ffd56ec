#include "engine/tools/store_checks.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "engine/base/json_syntax.h"
#include "engine/core/read_only_store.h"
#include "engine/core/store_identity.h"
#include "engine/io/file_system.h"
#include "engine/store/base_inspector.h"
#include "engine/store/base_store.h"
#include "engine/tools/store_survey.h"
#include "engine/wal/log.h"
#include "engine/wal/log_check.h"
#include "engine/wal/recovery.h"
#include "engine/wal/segment_format.h"
#include "engine/wal/segment_scan.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/stats.h>

namespace pluresdb::tools {
namespace {

constexpr std::size_t kProblemsMax = 1000;

class Checker {
 public:
  Checker(core::ReadOnlyStore& store, const CheckWishes& wishes) : store_(store), wishes_(wishes) {}

  Result<CheckedStore> run() {
    for (const std::string& problem : store_.problems()) {
      add(problem);
    }
    const ValidationReport& log = store_.log().log.report.validation;
    for (const std::string& problem : log.problems) {
      add(problem);
    }
    if (wishes_.deep) {
      TRY(check_footers());
      check_headers();
      check_tables();
    }
    TRY(survey_store());
    name_losses();
    advise();
    return std::move(checked_);
  }

 private:
  /// With ids as they are: whoever prints them makes them harmless.
  void add(std::string problem) {
    if (checked_.problems.size() < kProblemsMax) {
      checked_.problems.push_back(std::move(problem));
    } else {
      ++checked_.problems_not_listed;
    }
  }

  Status check_footers() {
    for (const wal::ExaminedSegment& segment : store_.log().segments) {
      if (segment.superseded) {
        continue;
      }
      const std::string path =
          io::join_path(store_.wal_directory(), wal::segment_name(segment.scan.id));
      TRY_ASSIGN(const auto file, store_.files().open(path, io::OpenMode::kRead));
      TRY_ASSIGN(auto problems, wal::check_footer_index(*file, path, segment.scan));
      checked_.footers_checked += segment.scan.sealed ? 1 : 0;
      index_contradicts_ = index_contradicts_ || !problems.empty();
      for (std::string& problem : problems) {
        add(std::move(problem));
      }
    }
    return {};
  }

  void check_headers() {
    wal::ChainCheck chain = wal::check_chain(store_.log().segments);
    checked_.declared_gaps = std::move(chain.declared_gaps);
    for (std::string& problem : chain.problems) {
      add(std::move(problem));
    }
    if (const std::optional<core::IdentityRecord>& identity = store_.identity()) {
      for (std::string& problem :
           wal::vanished_segments(store_.log().segments, identity->compacted_through_seq,
                                  store_.meta().checkpoint_seq)) {
        add(std::move(problem));
        is_segment_gone_ = true;
      }
    }
  }

  void check_tables() {
    if (store_.base() == nullptr) {
      return;
    }
    for (const store::TableInfo& table : store_.base()->tables()) {
      if (const Status intact = store_.base()->verify_table(table); !intact) {
        ++checked_.damaged_tables;
        add(fmt::format("base/{}: {}", table.name, to_string(intact.error())));
      }
    }
  }

  Status survey_store() {
    SurveyWishes survey_wishes;
    survey_wishes.breakdown = wishes_.breakdown;
    if (wishes_.integrity) {
      survey_wishes.visit_document = [this](std::string_view id, const store::BaseValue& value) {
        check_document(id, value);
      };
      survey_wishes.visit_record = [this](const wal::RecordView& record) { check_record(record); };
    }
    TRY_ASSIGN(checked_.survey, survey(store_, survey_wishes));
    if (!checked_.survey.base_failure.empty()) {
      add("the base store cannot be read to its end: " + checked_.survey.base_failure);
    }
    for (const UnreadableDocument& document : checked_.survey.unreadable) {
      add(fmt::format("document \"{}\" (seq {}): {}", document.id, document.seq, document.why));
    }
    return {};
  }

  void check_document(std::string_view id, const store::BaseValue& value) {
    ++checked_.documents_checked;
    const std::string name = fmt::format("document \"{}\" (seq {})", id, value.seq);
    if (const Status valid = base::validate_json(value.json); !valid) {
      ++checked_.invalid_documents;
      add(fmt::format("{}: {}", name, valid.error().context));
    }
    if (value.stamp.actor_seq > value.seq) {  // INV-CORE-5
      add(fmt::format("{}: its actor_seq {} is above its seq", name, value.stamp.actor_seq));
    }
    const store::CheckpointMeta& meta = store_.meta();
    if (value.seq > meta.checkpoint_seq) {
      return;  // From the log, where check_record() looks at it.
    }
    const auto actor = meta.version_vector.find(value.stamp.actor);
    if (actor == meta.version_vector.end() || actor->second < value.stamp.actor_seq) {
      add(fmt::format("{}: the checkpoint does not know actor_seq {} of \"{}\"", name,
                      value.stamp.actor_seq, value.stamp.actor));
    }
    if (value.stamp.hlc > meta.hlc_floor) {
      add(fmt::format("{}: its clock {} is above the checkpoint's {}", name, value.stamp.hlc,
                      meta.hlc_floor));
    }
  }

  /// Stamps are given out in seq order: clock and dots grow along the log.
  void check_record(const wal::RecordView& record) {
    const auto name = [&record] { return fmt::format("entry with seq {}", record.seq); };
    if (record.hlc <= last_hlc_) {
      add(fmt::format("{}: its clock {} is not above {} of an earlier one", name(), record.hlc,
                      last_hlc_));
    }
    last_hlc_ = std::max(last_hlc_, record.hlc);
    std::uint64_t& last = dots_[std::string(record.actor)];
    if (record.actor_seq <= last) {
      add(fmt::format("{}: actor_seq {} of \"{}\" is not above {} of an earlier one", name(),
                      record.actor_seq, record.actor, last));
    }
    last = std::max(last, record.actor_seq);
    if (record.actor_seq > record.seq) {  // INV-CORE-5
      add(fmt::format("{}: its actor_seq {} is above its seq", name(), record.actor_seq));
    }
  }

  /// A seq up to the checkpoint is in the base store too, unless it is the value of a document:
  /// lost is only what nothing has.
  void name_losses() {
    const Seq checkpoint_seq = store_.base() == nullptr ? 0 : store_.meta().checkpoint_seq;
    for (const SeqRange& range : store_.log().log.report.validation.lost) {
      wal::add_range(checked_.lost_in_log, range);
    }
    std::vector<SeqRange> lost;
    if (const std::optional<SeqRange>& unmet = store_.unmet()) {
      lost.push_back(*unmet);
    }
    if (const std::optional<SeqRange>& end = store_.lost_end()) {
      lost.push_back(*end);
    }
    for (const SeqRange& range : checked_.lost_in_log) {
      if (range.last > checkpoint_seq) {
        lost.push_back({.first = std::max(range.first, checkpoint_seq + 1), .last = range.last});
      }
    }
    for (const Seq seq : checked_.survey.unreadable_seqs) {
      lost.push_back({.first = seq, .last = seq});
    }
    std::ranges::sort(lost, {}, &SeqRange::first);
    for (const SeqRange& range : lost) {
      wal::add_range(checked_.lost, range);
    }
  }

  void advise() {
    std::vector<std::string>& advice = checked_.advice;
    const bool torn = checked_.survey.torn_bytes > 0;
    if (checked_.is_healthy()) {
      advice.emplace_back(torn
                              ? "open the store as usual: it drops the torn tail, which nobody was "
                                "promised"
                              : "nothing");
      return;
    }
    advice.emplace_back("copy the whole directory aside before anything else");
    if (!store_.identity()) {
      advice.emplace_back(
          "restore the STORE file from a backup of this very store; without it the store does not "
          "open");
    }
    advise_on_base();
    if (!checked_.lost.empty() || store_.is_log_lost()) {
      advice.emplace_back("if what is lost matters: restore a backup that has it");
    }
    if (checked_.survey.unreadable_documents > 0) {
      advice.emplace_back(
          "write the unreadable documents again, or erase them: until then reading one fails");
    }
    if (store_.log().log.report.validation.tampered_places > 0) {
      advice.emplace_back(
          "find out who writes to these files: what was changed there, or put back, no crash and "
          "no failing disk leaves");
    }
    if (checked_.invalid_documents > 0) {
      advice.emplace_back("look at the documents that are no JSON: the engine accepts none such");
    }
    if (is_segment_gone_) {
      advice.emplace_back(
          "find out who removes files below wal/: the segment that is missing was not removed by "
          "the engine");
    }
    if (index_contradicts_) {
      advice.emplace_back(
          "report the contradicting footer: the records count, nothing is lost by "
          "it, but no engine writes such a file");
    }
    if (store_.identity() && (store_.base() != nullptr || store_.reaches_back())) {
      advice.emplace_back(
          "then open the store: it keeps damaged bytes in quarantine/ and serves "
          "the rest");
    }
  }

  void advise_on_base() {
    const bool base_damaged = checked_.damaged_tables > 0 || !checked_.survey.base_failure.empty();
    if (store_.base() != nullptr && !base_damaged && !store_.unmet()) {
      return;
    }
    if (store_.reaches_back()) {
      checked_.advice.emplace_back(
          "move base/ away and open the store: the log reaches back to seq 1, the base store is "
          "made from it again");
      return;
    }
    Seq needed = store_.log().log.report.gone_through_seq;
    if (const std::optional<core::IdentityRecord>& identity = store_.identity()) {
      needed = std::max(needed, identity->compacted_through_seq);
    }
    checked_.advice.push_back(fmt::format(
        "restore base/ from a backup that is not older than the log (checkpoint seq {} or above), "
        "or make a new store of what is left with rebuild_from_wal",
        needed));
  }

  core::ReadOnlyStore& store_;
  const CheckWishes& wishes_;
  CheckedStore checked_;
  bool index_contradicts_ = false;
  bool is_segment_gone_ = false;
  Hlc last_hlc_ = 0;
  std::unordered_map<std::string, std::uint64_t> dots_;  // Last one of each actor.
};

}  // namespace

Result<CheckedStore> check_store(core::ReadOnlyStore& store, const CheckWishes& wishes) {
  return Checker(store, wishes).run();
}

}  // namespace pluresdb::tools
