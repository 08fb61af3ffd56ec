// What pluresdb-validate finds out beyond counting, and what it says about it: lost, safe, what to
// do.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/core/read_only_store.h"
#include "engine/tools/store_survey.h"
#include <pluresdb/error.h>
#include <pluresdb/stats.h>

namespace pluresdb::tools {

struct CheckedStore {
  StoreSurvey survey;
  /// Everything that is not as it should be, one line each, naming file and place. Empty: healthy.
  std::vector<std::string> problems;
  std::uint64_t problems_not_listed = 0;
  std::vector<SeqRange> lost;           ///< Acknowledged once; nothing has them.
  std::vector<SeqRange> lost_in_log;    ///< Unreadable in the log, those the base store has too.
  std::vector<SeqRange> declared_gaps;  ///< Never used: safe.
  std::uint64_t damaged_tables = 0;
  std::uint64_t footers_checked = 0;
  std::uint64_t documents_checked = 0;  ///< With integrity only.
  std::uint64_t invalid_documents = 0;
  std::vector<std::string> advice;  ///< What to do, in this order.

  [[nodiscard]] bool is_healthy() const { return problems.empty(); }
};

struct CheckWishes {
  /// Blocks of the base store, footers, the chain of headers: what only validate looks at.
  bool deep = false;
  bool integrity = false;  ///< Every document is JSON; dots, clocks and seqs as they must be.
  bool breakdown = false;
};

/// kIo.
Result<CheckedStore> check_store(core::ReadOnlyStore& store, const CheckWishes& wishes);

}  // namespace pluresdb::tools
