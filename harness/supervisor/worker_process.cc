// posix_spawn, a pidfd and a ControlChannel. The descriptors that the worker inherits get
// fixed numbers; all others are close-on-exec.
#include "harness/supervisor/worker_process.h"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <ios>
#include <iterator>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/poll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/common/control_channel.h"
#include "harness/common/worker_protocol.h"
#include "harness/supervisor/unique_fd.h"
#include "pluresdb/error.h"

namespace soak::supervisor {
namespace {

namespace fs = std::filesystem;
using pluresdb::ErrorCode;

constexpr int kControlDescriptor = 3;
constexpr int kRegionDescriptor = 4;
constexpr int kJournalDescriptor = 5;
// Originals live above this, so that placing one copy never overwrites another original.
constexpr int kFirstSafeDescriptor = 16;
constexpr int kReapTimeoutMs = 30'000;

pluresdb::Result<UniqueFd> out_of_the_way(int descriptor) {
  UniqueFd copy(::fcntl(descriptor, F_DUPFD_CLOEXEC, kFirstSafeDescriptor));
  if (!copy.open()) {
    return pluresdb::fail(ErrorCode::kIo, "duplicate a descriptor for the worker", errno);
  }
  return copy;
}

/// What posix_spawn takes, freed at the end of the scope.
class SpawnPlan {
 public:
  SpawnPlan() {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setpgroup(&attributes_, 0);
    posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  }
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;
  SpawnPlan(SpawnPlan&&) = delete;
  SpawnPlan& operator=(SpawnPlan&&) = delete;

  void give(int descriptor, int as) { posix_spawn_file_actions_adddup2(&actions_, descriptor, as); }
  void open(int as, const char* path, int flags) {
    constexpr mode_t kLogMode = 0644;
    posix_spawn_file_actions_addopen(&actions_, as, path, flags, kLogMode);
  }
  int spawn(pid_t& pid, const std::string& binary, std::vector<std::string>& arguments) {
    std::vector<char*> argv;
    argv.reserve(arguments.size() + 1);
    for (std::string& argument : arguments) {
      argv.push_back(argument.data());
    }
    argv.push_back(nullptr);
    return ::posix_spawn(&pid, binary.c_str(), &actions_, &attributes_, argv.data(), environ);
  }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

std::string read_small_file(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
  while (!text.empty() && text.back() == '\n') {
    text.pop_back();
  }
  return text;
}

/// The state letter of /proc/PID/task/TID/stat: the field after the name in parentheses.
std::string state_of(const fs::path& task) {
  const std::string stat = read_small_file(task / "stat");
  const std::size_t end_of_name = stat.rfind(')');
  return end_of_name == std::string::npos || end_of_name + 2 >= stat.size()
             ? "?"
             : stat.substr(end_of_name + 2, 1);
}

bool wait_readable(int descriptor, int timeout_ms) {
  pollfd entry{.fd = descriptor, .events = POLLIN, .revents = 0};
  return ::poll(&entry, 1, timeout_ms) == 1;
}

struct Memory {
  std::uint64_t resident_bytes = 0;
  std::uint64_t writable_bytes = 0;  ///< Private and writable: heaps and stacks.
};
/// Zero when there is no such process.
Memory memory_of(int pid) {
  std::ifstream stream(fmt::format("/proc/{}/statm", pid));
  std::uint64_t total = 0;
  std::uint64_t resident_pages = 0;
  std::uint64_t shared = 0;
  std::uint64_t text = 0;
  std::uint64_t library = 0;
  std::uint64_t data_pages = 0;
  if (!(stream >> total >> resident_pages >> shared >> text >> library >> data_pages)) {
    return {};
  }
  const auto page_bytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return {.resident_bytes = resident_pages * page_bytes, .writable_bytes = data_pages * page_bytes};
}

}  // namespace

std::string describe(const WorkerExit& exit) {
  if (!exit.killed) {
    return fmt::format("exited with status {}", exit.status);
  }
  const char* name = sigdescr_np(exit.status);
  return fmt::format("killed by signal {} ({})", exit.status, name == nullptr ? "unknown" : name);
}

pluresdb::Result<std::string> find_worker_binary() {
  std::error_code error;
  const fs::path own = fs::read_symlink("/proc/self/exe", error);
  const fs::path worker = own.parent_path() / "pluresdb-soak-worker";
  if (error || ::access(worker.c_str(), X_OK) != 0) {
    return pluresdb::fail(ErrorCode::kNotFound,
                          fmt::format("{} is not there or cannot be run; it is built with "
                                      "pluresdb-soak and must lie beside it",
                                      worker.string()));
  }
  return worker.string();
}

WorkerProcess::WorkerProcess(int pid, UniqueFd process, ControlChannel control)
    : pid_(pid), process_(std::move(process)), control_(std::move(control)) {}

WorkerProcess::WorkerProcess(WorkerProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      process_(std::move(other.process_)),
      control_(std::move(other.control_)),
      exit_(other.exit_) {}

WorkerProcess::~WorkerProcess() {
  if (pid_ > 0 && !exit_.has_value()) {
    kill();
    wait_exit(kReapTimeoutMs);
  }
}

pluresdb::Result<WorkerProcess> WorkerProcess::spawn(const WorkerStart& start) {
  TRY_ASSIGN(auto channel, ControlChannel::create_pair());
  auto& [ours, theirs] = channel;
  TRY_ASSIGN(const UniqueFd control, out_of_the_way(theirs.fd()));
  TRY_ASSIGN(const UniqueFd region, out_of_the_way(start.region_descriptor));
  TRY_ASSIGN(const UniqueFd journal, out_of_the_way(start.journal_descriptor));

  SpawnPlan plan;
  plan.open(STDIN_FILENO, "/dev/null", O_RDONLY);
  plan.open(STDOUT_FILENO, start.log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND);
  plan.give(STDOUT_FILENO, STDERR_FILENO);
  plan.give(control.get(), kControlDescriptor);
  plan.give(region.get(), kRegionDescriptor);
  plan.give(journal.get(), kJournalDescriptor);
  std::vector<std::string> arguments = {start.binary,
                                        "--control-fd",
                                        std::to_string(kControlDescriptor),
                                        "--region-fd",
                                        std::to_string(kRegionDescriptor),
                                        "--journal-fd",
                                        std::to_string(kJournalDescriptor),
                                        "--config",
                                        start.config_file};
  pid_t pid = -1;
  if (const int error = plan.spawn(pid, start.binary, arguments); error != 0) {
    return pluresdb::fail(ErrorCode::kIo, fmt::format("start {}", start.binary), error);
  }
  // The child is not reaped yet, so its number cannot belong to another process.
  UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  WorkerProcess worker(pid, std::move(process), std::move(ours));
  if (!worker.process_.open()) {
    const int error = errno;
    ::kill(pid, SIGKILL);
    return pluresdb::fail(ErrorCode::kIo, "pidfd_open of the worker", error);
  }
  return worker;
}

pluresdb::Status WorkerProcess::send(const ControlPacket& packet) { return control_.send(packet); }

pluresdb::Result<std::optional<ControlPacket>> WorkerProcess::receive() {
  ControlPacket packet;
  TRY_ASSIGN(const auto state, control_.receive(packet, std::chrono::milliseconds(0)));
  return state == ControlChannel::ReceiveState::kPacket ? std::optional(packet) : std::nullopt;
}

void WorkerProcess::send_signal(int signal) const {
  // Fails only when the process has ended already, which waiting shows.
  static_cast<void>(::syscall(SYS_pidfd_send_signal, process_.get(), signal, nullptr, 0));
}

bool WorkerProcess::pause() {
  send_signal(SIGSTOP);
  siginfo_t info{};
  // Nothing can ignore SIGSTOP, so this wait ends. An exit is left for poll_exit().
  while (::waitid(P_PID, static_cast<id_t>(pid_), &info, WSTOPPED | WEXITED | WNOWAIT) != 0) {
    if (errno != EINTR) {
      return false;
    }
  }
  return info.si_code == CLD_STOPPED;
}

void WorkerProcess::resume() { send_signal(SIGCONT); }

bool WorkerProcess::limit_memory(std::uint64_t more_bytes) {
  const std::uint64_t bytes = writable_bytes_of(pid_);
  const rlimit limit{.rlim_cur = bytes + more_bytes, .rlim_max = RLIM_INFINITY};
  return bytes > 0 && ::prlimit(pid_, RLIMIT_DATA, &limit, nullptr) == 0;
}

void WorkerProcess::unlimit_memory() {
  // It fails when the worker has ended, which poll_exit() tells.
  const rlimit limit{.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
  static_cast<void>(::prlimit(pid_, RLIMIT_DATA, &limit, nullptr));
}

void WorkerProcess::kill() { send_signal(SIGKILL); }

std::optional<WorkerExit> WorkerProcess::poll_exit() {
  if (exit_.has_value()) {
    return exit_;
  }
  siginfo_t info{};
  if (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG) == 0 &&
      info.si_pid == pid_) {
    exit_ = WorkerExit{.killed = info.si_code != CLD_EXITED, .status = info.si_status};
  }
  return exit_;
}

std::optional<WorkerExit> WorkerProcess::wait_exit(int timeout_ms) {
  if (!exit_.has_value() && wait_readable(process_.get(), timeout_ms)) {
    poll_exit();
  }
  return exit_;
}

std::uint64_t WorkerProcess::resident_bytes() const {
  return exit_.has_value() ? 0 : resident_bytes_of(pid_);
}

std::string WorkerProcess::describe_threads() const {
  std::string text;
  std::error_code error;
  for (const fs::directory_entry& entry :
       fs::directory_iterator(fmt::format("/proc/{}/task", pid_), error)) {
    const fs::path& task = entry.path();
    text += fmt::format("thread {} {} state {} waits in {} syscall {}\n", task.filename().string(),
                        read_small_file(task / "comm"), state_of(task),
                        read_small_file(task / "wchan"), read_small_file(task / "syscall"));
  }
  return text;
}

std::uint64_t writable_bytes_of(int pid) { return memory_of(pid).writable_bytes; }
std::uint64_t resident_bytes_of(int pid) { return memory_of(pid).resident_bytes; }

}  // namespace soak::supervisor
