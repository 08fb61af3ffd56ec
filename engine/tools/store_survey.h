// Everything that the tools say about a store, as numbers: one pass over the log (done by
// core::ReadOnlyStore), one over its records, one over the base store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/read_only_store.h"
#include "engine/store/base_inspector.h"
#include "engine/store/base_store.h"
#include "engine/wal/log.h"
#include "engine/wal/recovery.h"
#include "engine/wal/segment_scan.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/stats.h>

namespace pluresdb::tools {

struct Amount {
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
  void add(std::uint64_t more_bytes) {
    ++count;
    bytes += more_bytes;
  }
};

struct SegmentFacts {
  std::uint64_t id = 0;
  std::string name;
  const char* state = "";  ///< See state_of in store_survey.cc.
  std::optional<SeqRange> seqs;
  std::uint64_t entries = 0;  ///< Readable.
  std::uint64_t file_bytes = 0;
  std::uint64_t valid_bytes = 0;  ///< Up to here groups count.
  Amount live;                    ///< Large values that a document refers to.
  Amount dead;
  Amount unreadable;  ///< Large values whose bytes are damaged, live or dead.
  std::uint64_t torn_bytes = 0;
  std::vector<wal::DamagedBytes> damages;
  std::vector<SeqRange> lost;
};

/// One row of a breakdown.
struct BreakdownRow {
  std::uint64_t entries = 0;      ///< Readable, in the log.
  std::uint64_t entry_bytes = 0;  ///< Of their ids and values.
  std::uint64_t documents = 0;    ///< Live.
  std::uint64_t document_bytes = 0;
};
using Breakdown = std::map<std::string, BreakdownRow, std::less<>>;

/// A live document whose value cannot be read.
struct UnreadableDocument {
  std::string id;
  Seq seq = 0;
  std::string why;
};

struct StoreSurvey {
  std::vector<SegmentFacts> segments;  ///< By id.
  Amount live;                         ///< Sums over the segments.
  Amount dead;
  std::uint64_t entries = 0;
  std::uint64_t wal_bytes = 0;
  std::uint64_t torn_bytes = 0;
  std::vector<store::TableInfo> tables;
  std::uint64_t base_bytes = 0;
  Amount documents;  ///< Live and readable; bytes of their JSON.
  std::uint64_t tombstones = 0;
  std::uint64_t actors = 0;
  std::uint64_t unreadable_documents = 0;
  std::vector<UnreadableDocument> unreadable;  ///< The first ones.
  std::vector<Seq> unreadable_seqs;            ///< Of all of them.
  std::uint64_t large_references = 0;          ///< Live documents whose value is in the log.
  /// Not empty: the base store could be read only up to some document; why.
  std::string base_failure;
  Breakdown by_actor;
  Breakdown by_prefix;     ///< Of the id, up to and with its first '/'; "" for ids without one.
  Breakdown by_operation;  ///< "put", "delete", "compact", "checkpoint".
};

/// Called for every live document: with its JSON where `with_values` asked for it, else empty.
using DocumentVisitor = std::function<void(std::string_view id, const store::BaseValue& value)>;

/// What survey() must do besides counting.
struct SurveyWishes {
  bool breakdown = false;
  /// Not null: called for every readable live document, its JSON filled in.
  DocumentVisitor visit_document;
  /// Not null: called for every readable record of the log in seq order, without large values.
  std::function<void(const wal::RecordView&)> visit_record;
};

/// kIo: something could be read before and not any more.
Result<StoreSurvey> survey(core::ReadOnlyStore& store, const SurveyWishes& wishes);

const char* operation_name(wal::OperationType type);

}  // namespace pluresdb::tools
