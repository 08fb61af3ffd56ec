// Every file of an encrypted store under new data keys, then the older master keys go (D7a, D11).
//
//   survey          a file is old when its header is not proven to be under the newest master key
//   log             a checkpoint, so that nothing in it is needed but large values; a segment of
//                   this open; then each old segment is removed or rewritten
//   base store      each old table is copied, verified and exchanged; the small files while it is
//                   closed for a moment
//   STORE           written anew
//   survey again    of names that are durable; when nothing is old the keyring is written without
//                   the older master keys
// Nothing that is made meanwhile is old: the keys of an open store are those it was opened with,
// and nobody rotates an open store. So what is left to do is what the files say, whenever this
// ends.
#pragma once

#include <atomic>
#include <string>

#include "engine/base/clock.h"
#include "engine/base/mutex.h"
#include "engine/core/checkpointer.h"
#include "engine/core/compactor.h"
#include "engine/crypto/keyring.h"
#include "engine/io/file_system.h"
#include "engine/store/base_store.h"
#include "engine/wal/log.h"
#include <pluresdb/error.h>
#include <pluresdb/reencrypt.h>

namespace pluresdb::core {

struct ReencryptionParts {
  io::FileSystem& files;
  std::string directory;     ///< Of the store.
  crypto::Keyring* keyring;  ///< Null: not encrypted. Nobody else changes it.
  wal::Log& log;
  store::BaseStore& base;
  Compactor& compactor;
  Checkpointer& checkpointer;
  Clock& clock;
};

class Reencryption {
 public:
  explicit Reencryption(ReencryptionParts parts);
  ~Reencryption();
  Reencryption(const Reencryption&) = delete;
  Reencryption& operator=(const Reencryption&) = delete;
  Reencryption(Reencryption&&) = delete;
  Reencryption& operator=(Reencryption&&) = delete;

  /// See Engine::reencrypt. Thread: any.
  Result<ReencryptStats> run(const ReencryptOptions& options);
  /// Ends one that is under way, and waits for that; none begins afterwards. Thread: any.
  void stop();

 private:
  class Run;

  const ReencryptionParts parts_;
  base::Mutex mutex_;
  base::CondVar ended_;
  bool running_ GUARDED_BY(mutex_) = false;
  std::atomic<bool> stopped_ = false;
};

}  // namespace pluresdb::core
