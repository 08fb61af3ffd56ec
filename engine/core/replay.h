// From the log to the table, when a store is opened.
#pragma once

#include <cstdint>

#include "engine/base/worker_team.h"
#include "engine/core/checkpointer.h"
#include "engine/core/document_table.h"
#include "engine/wal/log.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>

namespace pluresdb::core {

/// Applies to the table what the log has behind `checkpoint_seq`, and makes room by checkpoints
/// when the table is over its limit. Returns how many entries. The outcome, checkpoints included,
/// does not depend on how many threads the team has.
Result<std::uint64_t> replay(wal::Log& log, Seq checkpoint_seq, DocumentTable& table,
                             Checkpointer& checkpointer, base::WorkerTeam& team);

}  // namespace pluresdb::core
