#include "engine/tools/store_report.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "engine/core/read_only_store.h"
#include "engine/core/store_identity.h"
#include "engine/io/file_system.h"
#include "engine/store/base_inspector.h"
#include "engine/tools/command_line.h"
#include "engine/tools/json_writer.h"
#include "engine/tools/secrets.h"
#include "engine/tools/store_checks.h"
#include "engine/tools/store_survey.h"
#include "engine/tools/text.h"
#include "engine/wal/log.h"
#include "engine/wal/log_check.h"
#include "engine/wal/segment_scan.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/keyring.h>
#include <pluresdb/stats.h>

namespace pluresdb::tools {
namespace {

constexpr std::size_t kRowsShownMax = 20;

std::string uuid_text(const std::array<std::byte, 16>& uuid) {
  std::string text;
  for (std::size_t i = 0; i < uuid.size(); ++i) {
    text += i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "";
    text += fmt::format("{:02x}", static_cast<unsigned>(uuid.at(i)));
  }
  return text;
}

std::string line(std::string_view label, std::string_view text) {
  return fmt::format("{:<11} {}\n", label, text);
}

std::string amount_text(const Amount& amount) {
  return amount.count == 0 ? "-"
                           : fmt::format("{} ({})", grouped(amount.count), byte_text(amount.bytes));
}

Seq last_seq_of(const core::ReadOnlyStore& store) {
  return std::max(store.log().log.report.last_seq, store.meta().checkpoint_seq);
}

std::string identity_lines(core::ReadOnlyStore& store) {
  std::string text = line("store", sanitised(store.directory()));
  if (const std::optional<core::IdentityRecord>& identity = store.identity()) {
    text += line("uuid", uuid_text(identity->store_uuid));
    text += line("created", time_text(identity->created_us));
  } else {
    text += line("uuid", "unknown: the STORE file is damaged");
  }
  if (const auto keyring = store.keyring_version()) {
    text += line("encryption", fmt::format("aes-256-gcm, keyring of generation {}, seq {}",
                                           keyring->generation, keyring->seq));
  } else {
    text += line("encryption", "none");
  }
  const core::ReadOnlyStore::FormatVersions& versions = store.format_versions();
  const auto version_text = [](std::uint32_t version) {
    return version == 0 ? std::string("unknown") : fmt::format("{}", version);
  };
  text +=
      line("formats", fmt::format("store {}, base store {}, log {}",
                                  version_text(versions.identity), version_text(versions.base),
                                  versions.segments.empty()
                                      ? "-"
                                      : fmt::format("{}", fmt::join(versions.segments, " and "))));
  return text;
}

std::string end_text(core::ReadOnlyStore& store) {
  const wal::LogRecovery& report = store.log().log.report;
  if (report.created) {
    return store.meta().checkpoint_seq == 0 ? "nothing was written yet" : "the log is missing";
  }
  if (report.clean_shutdown) {
    return "closed cleanly";
  }
  return "not closed: the next open recovers it";
}

std::string seq_text(core::ReadOnlyStore& store) {
  const store::CheckpointMeta& meta = store.meta();
  std::string text = fmt::format("last {}, checkpoint {} (before it {})", last_seq_of(store),
                                 meta.checkpoint_seq, meta.previous_checkpoint_seq);
  const std::optional<core::IdentityRecord>& identity = store.identity();
  if (identity && identity->compacted_through_seq > 0) {
    text += fmt::format(", compacted through {}", identity->compacted_through_seq);
  }
  return text;
}

std::string segment_table(const StoreSurvey& survey) {
  std::string text =
      fmt::format("\n{:<20}  {:<17}  {:>16}  {:>9}  {:>10}  {:>18}  {:>18}\n", "segment", "state",
                  "seqs", "entries", "bytes", "live values", "dead values");
  for (const SegmentFacts& segment : survey.segments) {
    text += fmt::format("{:<20}  {:<17}  {:>16}  {:>9}  {:>10}  {:>18}  {:>18}\n", segment.name,
                        segment.state, segment.seqs ? range_text(*segment.seqs) : "-",
                        grouped(segment.entries), byte_text(segment.file_bytes),
                        amount_text(segment.live), amount_text(segment.dead));
    if (segment.torn_bytes > 0) {
      text += fmt::format("    torn: {} behind byte {}, never acknowledged\n",
                          byte_text(segment.torn_bytes), segment.valid_bytes);
    }
    for (const wal::DamagedBytes& damage : segment.damages) {
      text += fmt::format("    damaged: bytes {} .. {}\n", damage.begin, damage.end);
    }
    if (!segment.lost.empty()) {
      text += "    unreadable: " + ranges_text(segment.lost) + "\n";
    }
  }
  return text;
}

std::string breakdown_table(const char* title, const Breakdown& breakdown) {
  const auto number = [](std::uint64_t count) {
    return count == 0 ? std::string("-") : grouped(count);
  };
  std::vector<std::pair<std::string, BreakdownRow>> rows(breakdown.begin(), breakdown.end());
  std::ranges::sort(rows, std::greater{}, [](const auto& row) {
    return std::tuple(row.second.document_bytes, row.second.entry_bytes, row.first);
  });
  std::string text = fmt::format("\n{:<30}  {:>11}  {:>11}  {:>11}  {:>11}\n", title, "documents",
                                 "bytes", "log entries", "bytes");
  for (std::size_t i = 0; i < std::min(rows.size(), kRowsShownMax); ++i) {
    const auto& [key, row] = rows[i];
    text += fmt::format("{:<30}  {:>11}  {:>11}  {:>11}  {:>11}\n",
                        key.empty() ? "(no prefix)" : sanitised(key), number(row.documents),
                        row.documents == 0 ? "-" : byte_text(row.document_bytes),
                        number(row.entries), row.entries == 0 ? "-" : byte_text(row.entry_bytes));
  }
  if (rows.size() > kRowsShownMax) {
    text += fmt::format("and {} more; --json lists them\n", grouped(rows.size() - kRowsShownMax));
  }
  return text;
}

std::string base_lines(core::ReadOnlyStore& store, const StoreSurvey& survey) {
  std::string text =
      line("base store", store.base() == nullptr
                             ? "missing or unreadable"
                             : fmt::format("{} {}, {}", grouped(survey.tables.size()),
                                           plural(survey.tables.size(), "table", "tables"),
                                           byte_text(survey.base_bytes)));
  text +=
      line("documents", fmt::format("{} live ({}), {} {}", grouped(survey.documents.count),
                                    byte_text(survey.documents.bytes), grouped(survey.tombstones),
                                    plural(survey.tombstones, "tombstone", "tombstones")));
  if (survey.unreadable_documents > 0) {
    text += line("", fmt::format("{} unreadable", grouped(survey.unreadable_documents)));
  }
  return text;
}

std::string bulleted(const char* label, const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& entry : lines) {
    text += line(text.empty() ? label : "", sanitised(entry));
  }
  return text;
}

std::string problem_lines(const CheckedStore& checked) {
  std::string text = bulleted("PROBLEMS", checked.problems);
  if (checked.problems_not_listed > 0) {
    text += line("", fmt::format("and {} more", grouped(checked.problems_not_listed)));
  }
  return text;
}

void identity_members(JsonWriter& json, core::ReadOnlyStore& store) {
  json.member("store", store.directory());
  json.key("uuid");
  if (const std::optional<core::IdentityRecord>& identity = store.identity()) {
    json.value(uuid_text(identity->store_uuid));
    json.member("created_us", identity->created_us);
    json.member("compacted_through_seq", identity->compacted_through_seq);
    json.member("actor_seq_floor", identity->actor_seq_floor);
  } else {
    json.null();
  }
  json.key("encryption");
  if (const auto keyring = store.keyring_version()) {
    json.begin_object();
    json.member("cipher", std::string_view("aes-256-gcm"));
    json.member("generation", std::uint64_t{keyring->generation});
    json.member("keyring_seq", keyring->seq);
    json.end_object();
  } else {
    json.null();
  }
  json.key("format_versions").begin_object();
  const core::ReadOnlyStore::FormatVersions& versions = store.format_versions();
  json.member("store", std::uint64_t{versions.identity});
  json.member("base_store", std::uint64_t{versions.base});
  json.key("log").begin_array();
  for (const std::uint32_t version : versions.segments) {
    json.value(std::uint64_t{version});
  }
  json.end_array().end_object();
  const store::CheckpointMeta& meta = store.meta();
  json.member("checkpoint_seq", meta.checkpoint_seq);
  json.member("previous_checkpoint_seq", meta.previous_checkpoint_seq);
  json.member("last_seq", last_seq_of(store));
  json.member("hlc_floor", std::max(meta.hlc_floor, store.log().log.report.hlc_floor));
  json.member("clean_shutdown", store.log().log.report.clean_shutdown);
}

void amount_member(JsonWriter& json, const char* name, const Amount& amount) {
  json.key(name).begin_object();
  json.member("count", amount.count).member("bytes", amount.bytes).end_object();
}

void segment_members(JsonWriter& json, const SegmentFacts& segment) {
  json.begin_object().member("id", segment.id).member("name", segment.name);
  json.member("state", segment.state).key("seqs");
  if (segment.seqs) {
    json.begin_array().value(segment.seqs->first).value(segment.seqs->last).end_array();
  } else {
    json.null();
  }
  json.member("entries", segment.entries).member("bytes", segment.file_bytes);
  json.member("valid_bytes", segment.valid_bytes).member("torn_bytes", segment.torn_bytes);
  amount_member(json, "live_values", segment.live);
  amount_member(json, "dead_values", segment.dead);
  amount_member(json, "unreadable_values", segment.unreadable);
  json.key("damaged_bytes").begin_array();
  for (const wal::DamagedBytes& damage : segment.damages) {
    json.begin_array().value(damage.begin).value(damage.end).end_array();
  }
  json.end_array().member("lost", segment.lost).end_object();
}

void breakdown_member(JsonWriter& json, const char* name, const Breakdown& breakdown) {
  json.key(name).begin_array();
  for (const auto& [key, row] : breakdown) {
    json.begin_object().member("key", key).member("documents", row.documents);
    json.member("document_bytes", row.document_bytes).member("entries", row.entries);
    json.member("entry_bytes", row.entry_bytes).end_object();
  }
  json.end_array();
}

void total_members(JsonWriter& json, const StoreSurvey& survey) {
  json.key("log").begin_object().member("segments", std::uint64_t{survey.segments.size()});
  json.member("bytes", survey.wal_bytes).member("entries", survey.entries);
  json.member("torn_bytes", survey.torn_bytes);
  amount_member(json, "live_values", survey.live);
  amount_member(json, "dead_values", survey.dead);
  json.end_object().key("base_store").begin_object();
  json.member("tables", std::uint64_t{survey.tables.size()}).member("bytes", survey.base_bytes);
  json.end_object().key("documents").begin_object().member("live", survey.documents.count);
  json.member("bytes", survey.documents.bytes).member("tombstones", survey.tombstones);
  json.member("unreadable", survey.unreadable_documents).end_object();
}

void loss_members(JsonWriter& json, const CheckedStore& checked) {
  json.member("healthy", checked.is_healthy());
  json.member("lost", checked.lost).member("unreadable_in_log", checked.lost_in_log);
  json.key("unreadable_documents").begin_array();
  for (const UnreadableDocument& document : checked.survey.unreadable) {
    json.begin_object().member("id", document.id).member("seq", document.seq);
    json.member("why", document.why).end_object();
  }
  json.end_array().member("problems", checked.problems);
  json.member("problems_not_listed", checked.problems_not_listed);
  json.member("advice", checked.advice);
}

/// Unreadable in the log, and not behind the checkpoint.
std::vector<SeqRange> missing_below_checkpoint(const CheckedStore& checked) {
  return wal::missing_from(checked.lost_in_log, checked.lost);
}

std::string lost_lines(core::ReadOnlyStore& store, const CheckedStore& checked) {
  std::vector<std::string> lost;
  if (!checked.lost.empty()) {
    lost.push_back(ranges_text(checked.lost) + ", acknowledged once and in no file any more");
  }
  if (store.is_log_lost()) {
    lost.emplace_back(
        "the end of the log: large values in it, and what was written behind the "
        "checkpoint");
  }
  if (checked.survey.unreadable_documents > 0) {
    lost.push_back(
        fmt::format("the contents of {} {}", grouped(checked.survey.unreadable_documents),
                    plural(checked.survey.unreadable_documents, "document", "documents")));
  }
  if (!checked.survey.base_failure.empty()) {
    lost.emplace_back("what the base store holds behind the damage: how much is not known");
  }
  if (!lost.empty()) {
    return bulleted("LOST", lost);
  }
  // An opening behind damage, and a checkpoint: the log cannot tell what that opening had lost.
  return line("LOST", missing_below_checkpoint(checked).empty()
                          ? "nothing"
                          : "nothing that the store itself can still tell");
}

std::string safe_lines(core::ReadOnlyStore& store, const CheckedStore& checked) {
  const StoreSurvey& survey = checked.survey;
  std::vector<std::string> safe = {
      fmt::format("{} {} with {}", grouped(survey.documents.count),
                  plural(survey.documents.count, "document", "documents"),
                  byte_text(survey.documents.bytes)),
      fmt::format("{} {} in the log, all read and compared", grouped(survey.entries),
                  plural(survey.entries, "entry", "entries"))};
  const std::vector<SeqRange> in_base = missing_below_checkpoint(checked);
  if (!in_base.empty() && store.base() != nullptr) {
    safe.push_back(
        ranges_text(in_base) +
        ": unreadable in the log, but in the checkpoint or superseded, unless the damage "
        "is older than the checkpoint");
  }
  if (survey.torn_bytes > 0) {
    safe.push_back(fmt::format("a torn tail of {}: never acknowledged, so nothing was promised",
                               byte_text(survey.torn_bytes)));
  }
  if (!checked.declared_gaps.empty()) {
    safe.push_back(fmt::format("{} {} in the seqs, declared: never used",
                               checked.declared_gaps.size(),
                               plural(checked.declared_gaps.size(), "gap", "gaps")));
  }
  return bulleted("SAFE", safe);
}

ToolOutput cannot_open(const Error& error) {
  return {.status = kExitCannotOpen, .text = {}, .error = "cannot open: " + to_string(error)};
}

using Report = std::string (*)(core::ReadOnlyStore&, const CheckedStore&, bool);

ToolOutput run(io::FileSystem& files, const ToolArguments& arguments, const CheckWishes& wishes,
               Report text, Report json) {
  const auto secret = read_store_secret(files, arguments.data_dir, arguments.secrets);
  if (!secret) {
    return cannot_open(secret.error());
  }
  const std::optional<StoreSecret>& given = *secret;
  const auto store =
      core::ReadOnlyStore::open(files, arguments.data_dir, given ? &*given : nullptr);
  if (!store) {
    return cannot_open(store.error());
  }
  const auto checked = check_store(**store, wishes);
  if (!checked) {
    return cannot_open(checked.error());
  }
  return {.status = checked->is_healthy() ? kExitOk : kExitProblem,
          .text = (arguments.json ? json : text)(**store, *checked, arguments.flag),
          .error = {}};
}

}  // namespace

std::string inspect_text(core::ReadOnlyStore& store, const CheckedStore& checked, bool breakdown) {
  const StoreSurvey& survey = checked.survey;
  std::string text = identity_lines(store);
  text += line("seqs", seq_text(store));
  text += line("end", end_text(store));
  text += line("log", fmt::format("{} {}, {}, {} {}", grouped(survey.segments.size()),
                                  plural(survey.segments.size(), "segment", "segments"),
                                  byte_text(survey.wal_bytes), grouped(survey.entries),
                                  plural(survey.entries, "entry", "entries")));
  text += line("values",
               fmt::format("live {}, dead {}", amount_text(survey.live), amount_text(survey.dead)));
  text += base_lines(store, survey);
  if (!survey.segments.empty()) {
    text += segment_table(survey);
  }
  for (const std::string& path : store.log().temporary_files) {
    text += fmt::format("leftover: {}, removed by the next open\n", sanitised(path));
  }
  if (breakdown) {
    text += breakdown_table("by actor", survey.by_actor);
    text += breakdown_table("by id prefix", survey.by_prefix);
    text += breakdown_table("by operation", survey.by_operation);
    text += fmt::format("\n{:<20}  {:>11}  {:>11}\n", "table", "records", "bytes");
    for (const store::TableInfo& table : survey.tables) {
      text += fmt::format("{:<20}  {:>11}  {:>11}\n", sanitised(table.name), grouped(table.records),
                          byte_text(table.bytes));
    }
  }
  if (!checked.is_healthy()) {
    text += "\n" + problem_lines(checked);
    text += line("DO", "run pluresdb-validate: it says what is lost and what is safe");
  }
  return text;
}

std::string inspect_json(core::ReadOnlyStore& store, const CheckedStore& checked, bool breakdown) {
  const StoreSurvey& survey = checked.survey;
  JsonWriter json;
  json.begin_object();
  identity_members(json, store);
  total_members(json, survey);
  json.key("segments").begin_array();
  for (const SegmentFacts& segment : survey.segments) {
    segment_members(json, segment);
  }
  json.end_array().member("temporary_files", store.log().temporary_files);
  json.key("tables").begin_array();
  for (const store::TableInfo& table : survey.tables) {
    json.begin_object().member("name", table.name).member("records", table.records);
    json.member("bytes", table.bytes).end_object();
  }
  json.end_array();
  if (breakdown) {
    breakdown_member(json, "by_actor", survey.by_actor);
    breakdown_member(json, "by_prefix", survey.by_prefix);
    breakdown_member(json, "by_operation", survey.by_operation);
  }
  loss_members(json, checked);
  return json.end_object().text() + "\n";
}

std::string validate_text(core::ReadOnlyStore& store, const CheckedStore& checked, bool integrity) {
  const StoreSurvey& survey = checked.survey;
  std::string text = line("store", sanitised(store.directory()));
  text += line(
      "checked",
      fmt::format("{} {} and {} {} of the log, {} {}, {} {} of the base store",
                  grouped(survey.segments.size()),
                  plural(survey.segments.size(), "segment", "segments"), grouped(survey.entries),
                  plural(survey.entries, "entry", "entries"), grouped(survey.large_references),
                  plural(survey.large_references, "large value", "large values"),
                  grouped(survey.tables.size()), plural(survey.tables.size(), "table", "tables")));
  if (integrity) {
    text +=
        line("", fmt::format("{} {} read as JSON, dots and clocks of {} {} followed",
                             grouped(checked.documents_checked),
                             plural(checked.documents_checked, "document", "documents"),
                             grouped(survey.entries), plural(survey.entries, "entry", "entries")));
  }
  text += lost_lines(store, checked);
  text += safe_lines(store, checked);
  text += problem_lines(checked);
  text += bulleted("DO", checked.advice);
  return text + line("VERDICT", checked.is_healthy() ? "healthy" : "damaged");
}

std::string validate_json(core::ReadOnlyStore& store, const CheckedStore& checked, bool integrity) {
  JsonWriter json;
  json.begin_object();
  identity_members(json, store);
  total_members(json, checked.survey);
  loss_members(json, checked);
  json.member("declared_gaps", checked.declared_gaps);
  json.member("log_lost", store.is_log_lost());
  json.member("damaged_tables", checked.damaged_tables);
  json.member("footers_checked", checked.footers_checked);
  json.member("large_references", checked.survey.large_references);
  if (integrity) {
    json.member("documents_checked", checked.documents_checked);
    json.member("invalid_documents", checked.invalid_documents);
  }
  return json.end_object().text() + "\n";
}

ToolOutput inspect(io::FileSystem& files, const ToolArguments& arguments) {
  return run(files, arguments, {.deep = false, .integrity = false, .breakdown = arguments.flag},
             inspect_text, inspect_json);
}

ToolOutput validate(io::FileSystem& files, const ToolArguments& arguments) {
  return run(files, arguments, {.deep = true, .integrity = arguments.flag, .breakdown = false},
             validate_text, validate_json);
}

}  // namespace pluresdb::tools
