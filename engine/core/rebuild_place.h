// Where a rebuilt store is made: beside its place, under a name and with a mark that say what it
// is, until it is complete.
//
//   OUTPUT.rebuilding/LOCK        held while it is worked on
//   OUTPUT.rebuilding/REBUILDING  durable before anything else is made; an open refuses it
#pragma once

#include <memory>
#include <string>

#include "engine/io/file_system.h"
#include <pluresdb/error.h>

namespace pluresdb::core {

/// Thread: one at a time.
class RebuildPlace {
 public:
  /// `output`: must not exist or be an empty directory; its parent must exist.
  RebuildPlace(io::FileSystem& files, std::string output);

  /// Makes the directory, or takes over and empties what an interrupted rebuild has left there.
  /// kInvalidArgument (something else is in the way), kNotFound (parent), kLocked.
  Status prepare();
  [[nodiscard]] const std::string& directory() const { return directory_; }
  /// Everything in directory() is durable: gives it its name. The lock ends.
  Status commit();
  /// After an error: removes what was made. Best effort; prepare() takes over what stays.
  void discard();

 private:
  Status check_output(bool& exists) const;
  Status check_leftover() const;
  Status remove_contents();

  io::FileSystem& files_;
  const std::string output_;
  const std::string directory_;
  std::unique_ptr<io::FileLock> lock_;
  bool named_ = false;  // Has its name: nothing to discard.
};

}  // namespace pluresdb::core
