// Who runs a tool: whether somebody looks at what it prints, and whether they want it to end.
// Implemented in posix_user_terminal.cc.
#pragma once

namespace pluresdb::io {

/// Standard error is a terminal.
bool is_error_terminal();

/// While it exists SIGINT and SIGTERM do not end the process; they are something to be asked for.
/// To be made before other threads are, so that none of them takes the signal. Those that came are
/// forgotten at the end.
class InterruptWatch {
 public:
  InterruptWatch();
  ~InterruptWatch();
  InterruptWatch(const InterruptWatch&) = delete;
  InterruptWatch& operator=(const InterruptWatch&) = delete;
  InterruptWatch(InterruptWatch&&) = delete;
  InterruptWatch& operator=(InterruptWatch&&) = delete;

  [[nodiscard]] bool is_interrupted() const;

 private:
  bool was_blocked_ = false;
};

}  // namespace pluresdb::io
