#include "harness/supervisor/crash_images.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <ios>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faultinj/journal_clone.h"
#include "faultinj/power_loss.h"
#include "harness/common/payload.h"
#include "harness/common/shared_region.h"
#include "harness/common/worker_config.h"
#include "harness/common/worker_protocol.h"
#include "harness/oracle/oracle.h"
#include "harness/scenario/scenario.h"
#include "harness/supervisor/canaries.h"
#include "harness/supervisor/ledger_drain.h"
#include "harness/supervisor/plaintext_search.h"
#include "harness/supervisor/power_policy.h"
#include "harness/supervisor/recorder.h"
#include "harness/supervisor/unique_fd.h"
#include "harness/supervisor/worker_process.h"
#include "harness/supervisor/worker_setup.h"
#include <pluresdb/error.h>

namespace soak::supervisor {
namespace {

namespace fs = std::filesystem;
using pluresdb::ErrorCode;
using pluresdb::Result;
using pluresdb::Status;

// A larger store would hold up the load for too long each time.
constexpr std::uintmax_t kStoreBytesMax = 1ULL << 30;
constexpr double kSilenceSeconds = 120;
constexpr int kImagesTurnMs = 2;
constexpr std::uint32_t kTriesPerImage = 2;

std::uintmax_t bytes_below(const fs::path& folder) {
  std::uintmax_t bytes = 0;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
    bytes += entry.is_regular_file() ? entry.file_size() : 0;
  }
  return bytes;
}

Status copy_tree(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::create_directories(to.parent_path(), error);
  if (!error) {
    fs::copy(from, to, fs::copy_options::recursive, error);
  }
  if (error) {
    const bool full = error == std::errc::no_space_on_device;
    return pluresdb::fail(
        full ? ErrorCode::kNoSpace : ErrorCode::kIo,
        fmt::format("copy {} to {}: {}", from.string(), to.string(), error.message()),
        error.value());
  }
  return {};
}

/// Of all names and bytes below `folder`.
Result<std::uint64_t> hash_of(const fs::path& folder) {
  std::set<fs::path> files;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
    files.insert(entry.path());
  }
  std::uint64_t hash = 0;
  for (const fs::path& path : files) {
    hash = mix64(hash, content_hash(path.lexically_relative(folder).string()));
    if (fs::is_regular_file(path)) {
      std::ifstream file(path, std::ios::binary);
      const std::string bytes{std::istreambuf_iterator<char>(file),
                              std::istreambuf_iterator<char>()};
      if (!file.eof() && file.fail()) {
        return pluresdb::fail(ErrorCode::kIo, "read " + path.string());
      }
      hash = mix64(hash, content_hash(bytes));
    }
  }
  return hash;
}

template <std::size_t kSize>
void set_text(std::array<char, kSize>& field, std::string_view text) {
  const std::size_t bytes = std::min(text.size(), kSize - 1);
  std::copy_n(text.begin(), bytes, field.begin());
  field[bytes] = '\0';
}

void fail_with(ImageResult& result, ImageResult::Outcome outcome, std::string_view text) {
  result.outcome = outcome;
  set_text(result.text, text);
}

/// Everything one image needs to be looked at. Lives in a process of its own.
class Examination {
 public:
  Examination(const CrashImageParts& parts, std::string folder, std::uint32_t incarnation)
      : parts_(parts), folder_(std::move(folder)), incarnation_(incarnation + 1) {}

  /// `journal`: empty by now.
  void run(int journal, ImageResult& result) {
    if (parts_.scenario.engine.encryption != "none") {
      search(result);
    }
    parts_.oracle.worker_died(parts_.scenario.engine.durability == "none");
    static_cast<void>(parts_.oracle.take_violations());  // Those of the run itself.
    if (const Status status = open(journal, result); !status) {
      fail_with(result, ImageResult::Outcome::kNotExamined, pluresdb::to_string(status.error()));
      return;
    }
    if (result.outcome == ImageResult::Outcome::kRight) {
      scan(result);
    }
  }

 private:
  /// As the power loss left it, before a worker changes it.
  void search(ImageResult& result) const {
    const PlaintextSearch found =
        search_for_plaintext(folder_, parts_.scenario.seed, parts_.agents, parts_.oracle);
    result.canaries = found.canaries;
    result.searched_files = found.files;
    result.searched_bytes = found.bytes;
    result.plaintext_findings = found.findings;
    set_text(result.plaintext, found.found.empty() ? "" : found.found.front());
    set_text(result.unsearched, found.unfinished.empty() ? "" : found.unfinished.front());
  }

  Status open(int journal, ImageResult& result) {
    TRY_ASSIGN(const int descriptor,
               create_shared_region(static_cast<std::uint32_t>(parts_.agents.size())));
    region_file_ = UniqueFd(descriptor);
    TRY_ASSIGN(region_, RegionMapping::map(descriptor));
    const WorkerConfig config =
        worker_config(parts_.scenario,
                      {.incarnation = incarnation_, .data_directory = folder_, .fiu_fifo_base = ""},
                      parts_.agents, parts_.oracle);
    const std::string config_file = folder_ + ".json";
    std::ofstream(config_file, std::ios::binary) << to_json(config);
    TRY_ASSIGN(WorkerProcess spawned, WorkerProcess::spawn({.binary = parts_.worker_binary,
                                                            .config_file = config_file,
                                                            .log_file = folder_ + ".log",
                                                            .region_descriptor = region_file_.get(),
                                                            .journal_descriptor = journal}));
    worker_ = std::make_unique<WorkerProcess>(std::move(spawned));
    drain_ = std::make_unique<LedgerDrain>(*region_, parts_.oracle);
    TRY_ASSIGN(const ControlPacket reply, await([](const LedgerRecord&) {}));
    const Recovery recovery = read_recovery(region_->recovery);
    result.recovery_seconds = recovery.duration_seconds;
    result.torn_tails = recovery.torn_tails;
    result.replayed_entries = recovery.replayed_entries;
    if (reply.type != CommandType::kReady) {
      fail_with(result, ImageResult::Outcome::kNotOpened, packet_text(reply));
    } else if (recovery.found_damage() && !parts_.oracle.damaged(oracle::DamagedPart::kLog)) {
      fail_with(result, ImageResult::Outcome::kNotOpened, recovery.damage_text());
    } else if (recovery.lost_left_out > 0) {
      fail_with(result, ImageResult::Outcome::kNotExamined,
                "recovery named more ranges of lost seqs than the harness can take");
    } else {
      result.outcome = ImageResult::Outcome::kRight;
      parts_.oracle.losses_reported(recovery.lost);
      parts_.oracle.worker_started(incarnation_);
    }
    return {};
  }

  void scan(ImageResult& result) {
    parts_.oracle.begin_scan();
    Status sent = worker_->send({.type = CommandType::kScan});
    if (sent) {
      const auto reply = await([&](const LedgerRecord& record) {
        ++result.documents;
        const bool alien = (record.flags & LedgerRecord::kAlien) != 0;
        parts_.oracle.scan_entry(record, alien ? alien_id(record) : std::string());
      });
      if (reply && reply->type == CommandType::kDone && reply->value == result.documents) {
        parts_.oracle.end_scan();
        judge(result);
        return;
      }
      sent = reply ? pluresdb::fail(ErrorCode::kIo, "the scan failed: " + packet_text(*reply))
                   : Status(std::unexpected(reply.error()));
    }
    // A recovered store that cannot be read is as wrong as one that does not open.
    fail_with(result, ImageResult::Outcome::kWrong, pluresdb::to_string(sent.error()));
  }

  void judge(ImageResult& result) {
    const std::vector<oracle::Violation> violations = parts_.oracle.take_violations();
    if (!violations.empty()) {
      const oracle::Violation& first = violations.front();
      fail_with(
          result, ImageResult::Outcome::kWrong,
          fmt::format("{} violations; first: {} {}: {}", violations.size(),
                      oracle::violation_kind_name(first.kind), first.document_id, first.detail));
    }
  }

  /// The worker's next packet. Errors: kIo when it ends or says nothing for too long.
  template <typename Sink>
  Result<ControlPacket> await(const Sink& sink) {
    using Clock = std::chrono::steady_clock;
    auto heard_at = Clock::now();
    while (true) {
      std::array<pollfd, 2> entries = {
          {{.fd = worker_->control_descriptor(), .events = POLLIN, .revents = 0},
           {.fd = worker_->process_descriptor(), .events = POLLIN, .revents = 0}}};
      static_cast<void>(::poll(entries.data(), entries.size(), kImagesTurnMs));
      const auto exit = worker_->poll_exit();
      TRY_ASSIGN(const auto packet, worker_->receive());
      // Published before the packet was sent, so nothing is missed.
      if (drain_->drain_verifier(sink) > 0) {
        heard_at = Clock::now();
      }
      if (packet.has_value()) {
        return *packet;
      }
      if (exit.has_value()) {
        return pluresdb::fail(ErrorCode::kIo, "the worker " + describe(*exit));
      }
      if (Clock::now() - heard_at > std::chrono::duration<double>(kSilenceSeconds)) {
        return pluresdb::fail(ErrorCode::kIo, "the worker says nothing");
      }
    }
  }

  const CrashImageParts& parts_;
  const std::string folder_;
  const std::uint32_t incarnation_;
  UniqueFd region_file_;
  RegionMapping region_;
  std::unique_ptr<WorkerProcess> worker_;
  std::unique_ptr<LedgerDrain> drain_;
};

/// What one clone is asked for.
struct Order {
  const scenario::FaultSection& fault;
  std::string folder;  ///< Holds the clone as "clone".
  int journal = -1;
  std::uint32_t clone = 0, incarnation = 0;
  std::uint64_t seed = 0;
};

Result<int> make_image(const Order& order, const std::string& folder, ImageResult& result) {
  TRY(copy_tree(order.folder + "/clone", folder));
  TRY_ASSIGN(const int journal, faultinj::clone_power_loss_journal(order.journal));
  result.policy =
      image_policy(order.fault, order.clone, result.image, mix64(order.seed, result.image));
  TRY_ASSIGN(result.loss, faultinj::apply_power_loss(folder, journal, result.policy));
  TRY_ASSIGN(result.hash, hash_of(folder));
  return journal;
}

void tell(int pipe, const ImageResult& result) {
  static_assert(sizeof(ImageResult) <= PIPE_BUF);  // Written whole or not at all.
  static_cast<void>(::write(pipe, &result, sizeof(result)));
}

/// The examiner: a copy of the supervisor as it was when the clone was made.
[[noreturn]] void examine(const CrashImageParts& parts, const Order& order, int pipe) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::set<std::uint64_t> hashes;
  bool all_right = true;
  // A combination that leaves what an earlier one left is passed over for the next.
  const std::uint32_t tries = order.fault.images * kTriesPerImage;
  for (std::uint32_t image = 1; image <= tries && hashes.size() < order.fault.images; ++image) {
    ImageResult result{.clone = order.clone, .image = image};
    const std::string folder = fmt::format("{}/image-{}", order.folder, image);
    const Result<int> journal = make_image(order, folder, result);
    if (!journal) {
      fail_with(result, ImageResult::Outcome::kNotExamined, pluresdb::to_string(journal.error()));
      tell(pipe, result);
      continue;
    }
    if (!hashes.insert(result.hash).second) {
      result.outcome = ImageResult::Outcome::kSame;
      tell(pipe, result);
      static_cast<void>(::close(*journal));
      std::error_code ignored;
      fs::remove_all(folder, ignored);
      continue;
    }
    // The oracle learns from what it is shown: each image has one of its own.
    const pid_t child = ::fork();
    if (child == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      Examination(parts, folder, order.incarnation).run(*journal, result);
      tell(pipe, result);
      const bool right = result.outcome == ImageResult::Outcome::kRight;
      ::_exit(right && result.plaintext_findings == 0 ? 0 : 1);
    }
    int status = -1;
    if (child > 0) {
      ::waitpid(child, &status, 0);
    }
    if (child < 0 || !WIFEXITED(status)) {
      fail_with(result, ImageResult::Outcome::kNotExamined, "the examiner died");
      tell(pipe, result);
    }
    static_cast<void>(::close(*journal));
    if (status == 0) {
      std::error_code ignored;
      fs::remove_all(folder, ignored);
      fs::remove(folder + ".json", ignored);
      fs::remove(folder + ".log", ignored);
    }
    all_right = all_right && status == 0;
  }
  if (all_right) {
    std::error_code ignored;
    fs::remove_all(order.folder, ignored);
    fs::remove(fs::path(order.folder).parent_path(), ignored);  // Unless other clones are in it.
  }
  ::_exit(0);
}

}  // namespace

std::string CrashImages::folder_of(std::uint32_t clone) const {
  return parts_.folder.file(fmt::format("images/{}", clone));
}

Status CrashImages::clone(const scenario::FaultSection& fault, std::uint32_t incarnation,
                          std::uint64_t seed) {
  const std::uintmax_t bytes = bytes_below(parts_.folder.data());
  if (bytes > kStoreBytesMax) {
    return pluresdb::fail(ErrorCode::kNoSpace,
                          fmt::format("the store has {} bytes: too many for crash images", bytes));
  }
  const Order order{.fault = fault,
                    .folder = folder_of(++clones_),
                    .journal = -1,
                    .clone = clones_,
                    .incarnation = incarnation,
                    .seed = seed};
  TRY(copy_tree(parts_.folder.data(), order.folder + "/clone"));
  TRY_ASSIGN(const int journal, faultinj::clone_power_loss_journal(parts_.journal_descriptor));
  const UniqueFd journal_copy(journal);
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) {
    return pluresdb::fail(ErrorCode::kIo, "pipe", errno);
  }
  results_ = UniqueFd(pipe[0]);
  const UniqueFd writing_end(pipe[1]);
  // The examiner waits for a supervisor that has no time to read: no result may be missed.
  if (::fcntl(results_.get(), F_SETFL, O_NONBLOCK) != 0) {
    return pluresdb::fail(ErrorCode::kIo, "fcntl", errno);
  }
  examiner_ = ::fork();
  if (examiner_ == 0) {
    Order own = order;
    own.journal = journal;
    examine(parts_, own, pipe[1]);
  }
  return examiner_ > 0 ? Status{} : Status(pluresdb::fail(ErrorCode::kIo, "fork", errno));
}

std::vector<ImageResult> CrashImages::take_results() {
  std::vector<ImageResult> results;
  ImageResult result;
  ssize_t count = 0;
  while (is_busy() && (count = ::read(results_.get(), &result, sizeof(result))) != 0) {
    if (count != static_cast<ssize_t>(sizeof(result))) {
      return results;  // Nothing yet.
    }
    results.push_back(result);
  }
  reap();  // Nobody holds the other end any more.
  return results;
}

void CrashImages::reap() {
  if (examiner_ > 0) {
    ::waitpid(examiner_, nullptr, 0);
  }
  examiner_ = -1;
  results_.reset();
}

void CrashImages::abandon() {
  if (examiner_ > 0) {
    ::kill(examiner_, SIGKILL);
    reap();
  }
}

}  // namespace soak::supervisor
