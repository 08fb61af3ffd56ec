// Opening a store directory: which store it is, and whether its parts still belong together. What
// the log has and the base store has not comes next: replay.h. Steps and crash cases:
// docs/DURABILITY.md "Opening".
//
//   DIR/LOCK  DIR/keyring  DIR/keyring.bak  DIR/STORE  DIR/RESERVE  DIR/RESERVE.open  DIR/wal/
//   DIR/base/  DIR/quarantine/
#pragma once

#include <memory>
#include <string>

#include "engine/core/document_table.h"
#include "engine/core/replay.h"
#include "engine/core/store_identity.h"
#include "engine/crypto/keyring.h"
#include "engine/io/file_system.h"
#include "engine/store/base_store.h"
#include "engine/wal/log.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/options.h>
#include <pluresdb/stats.h>

namespace pluresdb::core {

inline constexpr const char* kLockFileName = "LOCK";
inline constexpr const char* kWalDirectoryName = "wal";
inline constexpr const char* kBaseDirectoryName = "base";
inline constexpr const char* kQuarantineDirectoryName = "quarantine";
/// In a directory without a STORE file: what else lies there is an unfinished rebuild.
inline constexpr const char* kRebuildMarkerName = "REBUILDING";

/// The parts of an open store, checked against each other, nothing applied to the table. Declared
/// in the order in which they must outlive each other.
struct OpenedStore {
  std::unique_ptr<DocumentTable> table;     ///< Of the base store's checkpoint.
  std::unique_ptr<LogCollector> collector;  ///< What the log's recovery().collected speaks of.
  std::unique_ptr<io::FileLock> lock;
  std::unique_ptr<crypto::Keyring> keyring;  ///< Null: not encrypted. Log and base store use it.
  StoreIdentity identity;
  std::unique_ptr<store::BaseStore> base;
  std::unique_ptr<wal::Log> log;
  store::CheckpointMeta meta;
  RecoveryReport report;
};

/// Errors: as Engine::open_with_recovery. A crash at any operation leaves a directory that opens.
Result<OpenedStore> open_store(const std::string& directory, const EngineOptions& options);

/// One line on stderr with counts, unless the log is healthy.
void warn_about(const std::string& directory, const RecoveryReport& report);

/// What a log's recovery says, for the public report.
RecoveryReport report_of(const wal::LogRecovery& recovery);

}  // namespace pluresdb::core
