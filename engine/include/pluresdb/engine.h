// The document store: JSON documents by id, last writer wins by stamp. Start here.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/options.h>
#include <pluresdb/reencrypt.h>
#include <pluresdb/stats.h>

namespace pluresdb {

/// Belongs to the process that opened it: in a child of fork() every call fails with kLocked, and
/// destroying it does nothing.
class Engine {
 public:
  /// Opens the store in `directory`, creating it when missing (options.create_if_missing).
  ///
  /// Validates the WAL (damage is warned about with counts on stderr and reported, not fatal),
  /// replays what the base store does not have, and reports in recovery().
  /// Errors: kLocked ("locked by pid N"), kNotFound, kBaseLost, kCorruption (identity file),
  /// kUnsupportedVersion, kInvalidArgument, kIo, kNoSpace.
  static Result<std::unique_ptr<Engine>> open_with_recovery(const std::string& directory,
                                                            const EngineOptions& options = {});
  virtual ~Engine() = default;

  /// Stores `json` under `id` as `actor`; returns its seq once it is as durable as the options say.
  ///
  /// `actor`: 1 .. 255 bytes, one writer's name, unique to this store. `id`: 1 .. 4096 bytes, no
  /// NUL. `json`: RFC 8259 text up to value_bytes_max; returned byte for byte. Errors:
  /// kInvalidArgument, kRateLimited, kNoSpace, kReadOnly (all: not written), kIndeterminate (may
  /// survive). Thread: any.
  virtual Result<Seq> put(std::string_view actor, std::string_view id, std::string_view json) = 0;
  /// Removes `id`; a tombstone is written even when it is absent. Errors and threads as put().
  virtual Result<Seq> erase(std::string_view actor, std::string_view id) = 0;
  /// The document, or nullopt when absent or deleted. kCorruption when its bytes are damaged or
  /// lost.
  virtual Result<std::optional<Document>> get(std::string_view id) = 0;
  /// Up to `limit` live documents with ids >= `from` that start with `prefix`, in byte order.
  /// To page: pass the last id plus a NUL byte as `from`.
  virtual Result<std::vector<Document>> list(std::string_view prefix, std::string_view from = {},
                                             std::size_t limit = 1000) = 0;
  /// Ids of the documents that list() is about. Reads no values, so a document that get() and
  /// list() refuse as damaged is named too.
  virtual Result<std::vector<std::string>> list_ids(std::string_view prefix,
                                                    std::string_view from = {},
                                                    std::size_t limit = 1000) = 0;
  /// Makes the base store hold everything acknowledged so far, then deletes WAL segments that no
  /// reader needs. Returns the checkpoint seq. Thread: any; concurrent calls share one checkpoint.
  virtual Result<Seq> checkpoint() = 0;
  /// Of an encrypted store: every file that is under an older master key than the newest one
  /// (pluresdb-keys rotate, revoke) is removed or gets a new data key under the newest; then the
  /// older master keys are dropped from the keyring. What this means for whom: docs/SECURITY.md.
  ///
  /// Writes and reads go on. Files say themselves what is left to do: after a cancel (kCancelled),
  /// an error or a crash the next call goes on where this one was, and nothing is lost. Needs the
  /// space of one segment or table. kIndeterminate: the keyring may have been written; open the
  /// store again. Errors: kInvalidArgument (not encrypted, or one is under way), kCancelled, kIo,
  /// kNoSpace, kReadOnly, kIndeterminate. Thread: any; one at a time. close() ends it.
  virtual Result<ReencryptStats> reencrypt(const ReencryptOptions& options = {}) = 0;
  /// Reads the whole WAL again and counts; changes nothing.
  virtual Result<ValidationReport> validate() = 0;
  virtual EngineStats stats() const = 0;
  virtual const RecoveryReport& recovery() const = 0;
  /// Checkpoints, seals, releases the lock. The destructor only releases: as after a crash.
  virtual Status close() = 0;
};

}  // namespace pluresdb
