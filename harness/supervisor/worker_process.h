// One worker process: start, commands, kill, how it ended.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "harness/common/control_channel.h"
#include "harness/common/worker_protocol.h"
#include "harness/supervisor/unique_fd.h"
#include <pluresdb/error.h>

namespace soak::supervisor {

struct WorkerStart {
  std::string binary;
  std::string config_file;  ///< WorkerConfig as JSON, written already.
  std::string log_file;     ///< Takes stdout and stderr.
  int region_descriptor = -1;
  int journal_descriptor = -1;
};

/// How a process ended.
struct WorkerExit {
  bool killed = false;  ///< By a signal.
  int status = 0;       ///< The signal, or the exit status.
  friend bool operator==(const WorkerExit&, const WorkerExit&) = default;
};
/// "killed by signal 9 (Killed)", "exited with status 4".
std::string describe(const WorkerExit& exit);

/// pluresdb-soak-worker beside the running binary. Errors: kNotFound.
pluresdb::Result<std::string> find_worker_binary();

class WorkerProcess {
 public:
  /// Errors: kIo. The worker sits in its own process group: a Ctrl-C at the terminal is the
  /// supervisor's alone. It dies with the calling thread.
  static pluresdb::Result<WorkerProcess> spawn(const WorkerStart& start);
  /// Kills and reaps it when it still runs.
  ~WorkerProcess();
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;
  WorkerProcess(WorkerProcess&& other) noexcept;
  WorkerProcess& operator=(WorkerProcess&&) = delete;

  [[nodiscard]] int pid() const { return pid_; }
  /// Readable when a packet has come, or the worker is gone.
  [[nodiscard]] int control_descriptor() const { return control_.fd(); }
  /// Readable when the process has ended.
  [[nodiscard]] int process_descriptor() const { return process_.get(); }

  /// Errors: kIo (the worker is gone, or takes no packets).
  pluresdb::Status send(const ControlPacket& packet);
  /// The next packet, if one is there. Never waits. Errors: kIo.
  pluresdb::Result<std::optional<ControlPacket>> receive();

  /// Stops every thread where it is, until resume() or kill(). False when it has ended.
  bool pause();
  void resume();
  /// From now on it gets no more memory of its own than it has and `more_bytes`; unlimit_memory()
  /// ends that. False when it has ended.
  bool limit_memory(std::uint64_t more_bytes);
  void unlimit_memory();
  /// SIGKILL; the caller then waits.
  void kill();
  /// How it ended, if it has. Never waits.
  std::optional<WorkerExit> poll_exit();
  /// Waits for the end of a process that was killed or is about to exit. Nothing after the time.
  std::optional<WorkerExit> wait_exit(int timeout_ms);

  /// 0 when the process is gone.
  [[nodiscard]] std::uint64_t resident_bytes() const;
  /// Threads with their state and where they wait, from /proc: evidence of a hang.
  [[nodiscard]] std::string describe_threads() const;

 private:
  WorkerProcess(int pid, UniqueFd process, ControlChannel control);
  int pid_ = -1;
  UniqueFd process_;
  ControlChannel control_;
  std::optional<WorkerExit> exit_;

  void send_signal(int signal) const;
};

/// Private writable memory of a process in bytes, touched or not; 0 when there is none.
std::uint64_t writable_bytes_of(int pid);
/// Resident memory of a process in bytes; 0 when there is none.
std::uint64_t resident_bytes_of(int pid);

}  // namespace soak::supervisor
