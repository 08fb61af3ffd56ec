// Reads: comparing what the store shows with what is possible, and naming a mismatch.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include <fmt/core.h>

#include "harness/common/operation.h"
#include "harness/common/shared_region.h"
#include "harness/oracle/absent_keys.h"
#include "harness/oracle/contents.h"
#include "harness/oracle/document_state.h"
#include "harness/oracle/oracle.h"
#include "harness/oracle/oracle_state.h"
#include <pluresdb/error.h>

namespace soak::oracle {
namespace {

constexpr std::size_t kViolationsMax = 1000;

std::string describe(const Write& write) {
  if (write.op == 0) {
    return "absent";
  }
  return fmt::format("{}op {} ({})", write.is_delete ? "delete " : "", write.op,
                     write.acknowledged ? "acknowledged" : "a maybe");
}

}  // namespace

const char* violation_kind_name(ViolationKind kind) {
  switch (kind) {
    case ViolationKind::kLostAcknowledgedWrite:
      return "lost_acknowledged_write";
    case ViolationKind::kResurrectedDelete:
      return "resurrected_delete";
    case ViolationKind::kCorruptRead:
      return "corrupt_read";
    case ViolationKind::kMaybeVanished:
      return "maybe_vanished";
    case ViolationKind::kMaybeReappeared:
      return "maybe_reappeared";
    case ViolationKind::kAlienDocument:
      return "alien_document";
    case ViolationKind::kReusedSeq:
      return "reused_seq";
    case ViolationKind::kReadFailed:
      return "read_failed";
  }
  return "unknown";
}

void Oracle::State::agent_read(const LedgerRecord& record) {
  ++operation_count(OperationKind::kRead,
                    record.outcome == Outcome::kFailed ? Outcome::kFailed : Outcome::kAcknowledged);
  if (record.outcome != Outcome::kFailed) {
    observe(key_of(record),
            {.found = record.found != 0, .digest = {.length = record.length, .hash = record.hash}});
  } else if (record.error_code == ledger_error_code(pluresdb::ErrorCode::kCorruption)) {
    read_failed(record);
  }
}

void Oracle::State::observe(const DocumentKey& key, const Observation& seen) {
  ++counts.verified_reads;
  const auto position = documents.find(key);
  if (position == documents.end()) {
    if (seen.found) {
      observe_unlisted(key, seen);
    }
    return;
  }
  Document& document = position->second;
  if (document.convicted) {
    return;
  }
  if (!learn(document, key, seen)) {
    judge(document, key, seen);
    return;
  }
  counts.verified_bytes += seen.found ? seen.digest.length : 0;
  settle(position);
}

bool Oracle::State::learn(Document& document, const DocumentKey& key, const Observation& seen) {
  const auto matches = [&](const Write& write) {
    return seen.found ? !write.is_absence() && contents.matches(key, write.op, seen.digest)
                      : write.is_absence();
  };
  if (document.state.observe(incarnation, keep_history, matches)) {
    return true;
  }
  if (!document.state.is_cut()) {
    return false;
  }
  // Its history was longer than is kept: any earlier write may be there.
  const auto op = seen.found ? contents.find(key, agents[key.agent].last_op, seen.digest)
                             : std::optional<std::uint64_t>(0);
  if (op) {
    document.state.adopt({.op = *op, .incarnation = incarnation});
  }
  return op.has_value();
}

// Something is there that the table does not hold: it must not be.
void Oracle::State::observe_unlisted(const DocumentKey& key, const Observation& seen) {
  const auto op = seen.refused ? std::optional<std::uint64_t>()
                               : contents.find(key, agents[key.agent].last_op, seen.digest);
  const auto last = absent.find(key);
  const bool never_there = last && last->reason == AbsentKeys::Reason::kNeverThere;
  const auto position = documents.try_emplace(key).first;
  const std::string found = describe(seen, op);
  if (key.number >= agents[key.agent].next_number[index_of(key.stream)]) {
    convict(position, ViolationKind::kAlienDocument,
            fmt::format("no agent ever attempted it; found: {}", found));
    return;
  }
  // A delete that is no longer known may have had any seq.
  if ((op || seen.refused) && !never_there &&
      reported_lost(last ? last->last : Write{.acknowledged = false})) {
    accept_loss(position);
    return;
  }
  convict(
      position, never_there ? ViolationKind::kMaybeReappeared : ViolationKind::kResurrectedDelete,
      fmt::format("expected: {}; found: {}",
                  never_there ? "absent (its write did not survive)" : "absent (deleted)", found));
}

/// Whether the engine said that `write` is gone, or may have meant it.
bool Oracle::State::reported_lost(const Write& write) const {
  return log_damaged && std::any_of(lost.begin(), lost.end(), [&](const SeqRange& range) {
           return range.last >= write.seq && (!write.acknowledged || range.first <= write.seq);
         });
}

/// Whether the bytes that `document` may have are among those that the engine said are gone.
bool Oracle::State::is_named(const Document& document) const {
  const auto named = [&](const Write& write) {
    return !write.is_absence() && reported_lost(write);
  };
  return named(document.state.certain()) || std::ranges::any_of(document.state.maybes(), named);
}

/// Tables that were damaged are older than the opening that followed; a later write is elsewhere.
bool Oracle::State::may_be_in_damaged_table(const Document& document) const {
  return tables_end && document.state.certain().seq <= *tables_end;
}

/// What must be there is reported lost, and so is everything acknowledged after what is seen.
bool Oracle::State::is_reported_loss(const Document& document, const DocumentKey& key,
                                     const Observation& seen) const {
  const Write& certain = document.state.certain();
  if (certain.op == 0 || !reported_lost(certain)) {
    return false;
  }
  const auto op = seen.found ? contents.find(key, agents[key.agent].last_op, seen.digest)
                             : std::optional<std::uint64_t>(0);
  if (!op || *op >= certain.op) {
    return false;
  }
  // The newest first. An absence may be that of any delete, or of the time before the first write.
  for (auto write = document.acknowledged.rbegin(); write != document.acknowledged.rend();
       ++write) {
    if (seen.found ? write->op <= *op : write->is_delete && write->op < certain.op) {
      return true;
    }
    if (!reported_lost(*write)) {
      return false;
    }
  }
  return true;
}

void Oracle::State::accept_loss(Documents::iterator position) {
  ++counts.reported_losses;
  position->second.convicted = true;
  settle(position);
}

/// Refused bytes are none that could be wrong: what must be there stays.
void Oracle::State::accept_refusal(Document& document) {
  counts.reported_losses += document.refused ? 0U : 1U;
  document.refused = true;
}

// Finds the name of a mismatch; the document is convicted in any case.
void Oracle::State::judge(Document& document, const DocumentKey& key, const Observation& seen) {
  if (is_reported_loss(document, key, seen)) {
    accept_loss(documents.find(key));
    return;
  }
  const Write& certain = document.state.certain();
  const auto op = seen.found ? contents.find(key, agents[key.agent].last_op, seen.digest)
                             : std::optional<std::uint64_t>();
  auto kind = ViolationKind::kCorruptRead;
  if (certain.op == 0 && op) {
    // Deleted and forgotten before the maybes that follow, or never there.
    const bool older = !document.state.maybes().empty() && *op < document.state.maybes()[0].op;
    const bool deleted = older && !absent.was_never_there(key);
    kind = deleted ? ViolationKind::kResurrectedDelete : ViolationKind::kMaybeReappeared;
  } else if (op && *op > certain.op) {
    kind = ViolationKind::kMaybeReappeared;
  } else if (certain.is_delete) {
    kind = ViolationKind::kResurrectedDelete;
  } else if (!seen.found || op) {
    kind = document.state.certain_was_maybe() ? ViolationKind::kMaybeVanished
                                              : ViolationKind::kLostAcknowledgedWrite;
  }
  std::string expected = soak::oracle::describe(certain);
  for (const Write& maybe : document.state.maybes()) {
    expected += " or " + soak::oracle::describe(maybe);
  }
  convict(documents.find(key), kind,
          fmt::format("expected: {}; found: {}", expected, describe(seen, op)));
}

void Oracle::State::read_failed(const LedgerRecord& record) {
  const bool corrupt = record.error_code == ledger_error_code(pluresdb::ErrorCode::kCorruption);
  counts.refused_reads += corrupt && tables_damaged ? 1U : 0U;
  const DocumentKey key = key_of(record);
  const auto position = documents.find(key);
  if (position == documents.end() || position->second.convicted ||
      position->second.state.may_be_absent()) {
    return;
  }
  if (corrupt && is_named(position->second)) {
    accept_loss(position);
    return;
  }
  if (corrupt && may_be_in_damaged_table(position->second)) {
    accept_refusal(position->second);
    return;
  }
  if (corrupt || record.error_code == ledger_error_code(pluresdb::ErrorCode::kNotFound) ||
      record.error_code == ledger_error_code(pluresdb::ErrorCode::kBaseLost)) {
    ++counts.lost_acknowledged_writes;  // Not there for whoever needs it, whatever is on the disk.
  }
  convict(position, ViolationKind::kReadFailed,
          fmt::format("expected: {}; the engine returned error {}",
                      soak::oracle::describe(position->second.state.certain()),
                      record.error_code == 0
                          ? "(none)"
                          : pluresdb::error_code_name(
                                static_cast<pluresdb::ErrorCode>(record.error_code - 1))));
}

/// A scan proves that something is there, which a read by name that fails does not.
void Oracle::State::scan_refused(const LedgerRecord& record) {
  if (documents.contains(key_of(record))) {
    read_failed(record);
  } else {
    ++counts.verified_reads;
    observe_unlisted(key_of(record), {.found = true, .refused = true, .digest = {}});
  }
}

std::string Oracle::State::describe(const Observation& seen,
                                    const std::optional<std::uint64_t>& op) const {
  if (!seen.found) {
    return "absent";
  }
  if (seen.refused) {
    return "bytes that the engine refuses to read";
  }
  if (op) {
    return fmt::format("op {} ({} bytes)", *op, seen.digest.length);
  }
  return fmt::format("{} bytes with hash {:016x} that no known write of it had", seen.digest.length,
                     seen.digest.hash);
}

void Oracle::State::convict(Documents::iterator position, ViolationKind kind, std::string detail) {
  position->second.convicted = true;
  report(kind, position->first, names.id(position->first), std::move(detail));
  settle(position);
}

void Oracle::State::report(ViolationKind kind, const DocumentKey& key, std::string id,
                           std::string detail) {
  switch (kind) {
    case ViolationKind::kLostAcknowledgedWrite:
      ++counts.lost_acknowledged_writes;
      break;
    case ViolationKind::kResurrectedDelete:
      ++counts.resurrected_deletes;
      break;
    case ViolationKind::kCorruptRead:
      ++counts.corrupt_reads;
      break;
    case ViolationKind::kMaybeVanished:
      ++counts.maybes_vanished;
      break;
    case ViolationKind::kMaybeReappeared:
      ++counts.maybes_reappeared;
      break;
    case ViolationKind::kAlienDocument:
      ++counts.alien_documents;
      break;
    case ViolationKind::kReusedSeq:
      ++counts.reused_seqs;
      break;
    case ViolationKind::kReadFailed:
      ++counts.reads_failed;
      break;
  }
  if (violations.size() < kViolationsMax) {
    violations.push_back(
        {.kind = kind, .key = key, .document_id = std::move(id), .detail = std::move(detail)});
  }
}

}  // namespace soak::oracle
