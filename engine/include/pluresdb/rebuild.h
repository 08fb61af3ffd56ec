// Makes a new store of what an old one's log, and the base store beside it, still hold.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/keyring.h>
#include <pluresdb/options.h>
#include <pluresdb/stats.h>

namespace pluresdb {

/// How far a rebuild is. Both grow or stay; at the end they are equal.
struct RebuildProgress {
  std::uint64_t done_bytes = 0;
  std::uint64_t total_bytes = 0;
};

struct RebuildOptions {
  /// Of the new store: segment_bytes, dirty_bytes_max (memory), secret, file_system, clock. The
  /// rest counts when it is opened.
  EngineOptions engine;
  /// Of the source, as EngineOptions::secret. It need not be the new store's: this is how a plain
  /// store becomes an encrypted one, or the other way round.
  const StoreSecret* source_secret = nullptr;
  /// Of an encrypted source a plain store is made only when this says so: without it a missing
  /// engine.secret is kInvalidArgument.
  bool allow_decryption = false;
  /// Called from the calling thread, about once per MiB; false cancels. May be empty.
  std::function<bool(const RebuildProgress&)> progress;
  /// True cancels, from any thread. May be null.
  const std::atomic<bool>* cancel = nullptr;
};

/// Where the documents came from.
enum class HistorySource {
  kLog,         ///< The log alone.
  kBaseAndLog,  ///< The base store, and the log behind its checkpoint.
};

struct RebuildStats {
  HistorySource source = HistorySource::kLog;
  /// False: seqs in `gone` or `lost` are missing from the result, or the end of the log was lost.
  bool is_complete = true;
  /// Removed from the log on purpose or vanished, and in no base store that could be read.
  std::vector<SeqRange> gone;
  /// Acknowledged once, unreadable now, and not in the base store that was used. Large values of
  /// the base store are among them under the seq that wrote them; reading such a document from the
  /// result gives kCorruption, as it did before.
  std::vector<SeqRange> lost;
  Seq base_seq = 0;  ///< kBaseAndLog: the base store's checkpoint.
  Seq last_seq = 0;
  std::uint64_t entries_replayed = 0;
  std::uint64_t documents = 0;  ///< Live ones in the result, unreadable ones included.
  std::uint64_t tombstones = 0;
  std::uint64_t large_values = 0;  ///< Copied into the new log.
  std::uint64_t unreadable_documents = 0;
  std::uint64_t output_bytes = 0;
  std::vector<std::string> problems;  ///< Of the source, one line each.
  double duration_seconds = 0;
};

/// Reads `wal_path`, the wal directory of a store or a log used alone, changes nothing there, and
/// makes a store in `output_db`, which must not exist or be an empty directory.
///
/// While the log reaches back undamaged to seq 1 it is the only source; else the base store beside
/// it (DIR/base) is taken too, when there is one. The result opens with Engine::open_with_recovery
/// and holds equal documents: id, JSON byte for byte, stamp and seq. It is another store (its own
/// uuid); no seq that the source may have given out, and no dot that it acknowledged, is given out
/// again.
///
/// It is built in `output_db`.rebuilding and gets its name, durably, when it is complete. An error
/// or a cancel removes that directory; what a crash leaves of it is refused by an open and removed
/// by the next rebuild. Errors: kNotFound, kInvalidArgument (output in the way), kLocked (source or
/// output in use), kKeyUnavailable, kCancelled, kUnsupportedVersion, kCorruption, kIo, kNoSpace.
Result<RebuildStats> rebuild_from_wal(const std::string& wal_path, const std::string& output_db,
                                      const RebuildOptions& options = {});

}  // namespace pluresdb
