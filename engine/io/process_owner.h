// Which process an open store belongs to. A child of fork() has a copy of its parent's memory, but
// none of its threads, and shares its open files: whatever it did with them would be done to the
// parent's store. Implemented in posix_file_system.cc, as every system call.
#pragma once

#include <string>

#include <pluresdb/error.h>

namespace pluresdb::io {

/// Remembers who made it. Thread: any.
class ProcessOwner {
 public:
  /// `what`: for the text of the error.
  explicit ProcessOwner(std::string what);
  /// kLocked, naming the owner, in a fork of it.
  [[nodiscard]] Status check() const;
  [[nodiscard]] bool is_here() const;

 private:
  const std::string what_;
  const int pid_;
};

}  // namespace pluresdb::io
