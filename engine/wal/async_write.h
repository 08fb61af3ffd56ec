// An append that nobody waits for: it owns what its caller's views pointed to.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "engine/wal/group_builder.h"
#include "engine/wal/log.h"
#include "engine/wal/write_queue.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>

namespace pluresdb::wal {

struct AsyncWrite : PendingWrite {
  std::string bytes;  ///< Actor, id, value: what `request` points to.
  AppendRequest request;
  ValueChecksums value_checksums;
  std::function<void(Result<Seq>)> done;

  /// All but bytes_bound, checksums and done.
  static std::unique_ptr<AsyncWrite> copy_of(const AppendRequest& request);
};

}  // namespace pluresdb::wal
