#include "engine/tools/keys_reencrypt.h"

#include <cstdint>
#include <cstdio>
#include <string>

#include <fmt/format.h>

#include "engine/base/bytes.h"
#include "engine/crypto/keyring_file.h"
#include "engine/io/file_system.h"
#include "engine/io/user_terminal.h"
#include "engine/tools/command_line.h"
#include "engine/tools/json_writer.h"
#include "engine/tools/keys.h"
#include "engine/tools/secrets.h"
#include "engine/tools/text.h"
#include <pluresdb/engine.h>
#include <pluresdb/error.h>
#include <pluresdb/keyring.h>
#include <pluresdb/options.h>
#include <pluresdb/reencrypt.h>

namespace pluresdb::tools {
namespace {

constexpr double kBytesPerMegabyte = 1e6;
constexpr std::uint64_t kPercent = 100;

ToolOutput ended(int status, const Error& error) {
  return {.status = status, .text = {}, .error = to_string(error)};
}

/// One line that is written over itself; nothing where nobody looks.
class ProgressLine {
 public:
  explicit ProgressLine(bool shown) : shown_(shown) {}
  ~ProgressLine() {
    if (begun_) {
      (void)std::fputs("\n", stderr);
    }
  }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  ProgressLine(ProgressLine&&) = delete;
  ProgressLine& operator=(ProgressLine&&) = delete;

  void show(const ReencryptProgress& progress) {
    last_ = progress;
    if (!shown_ || progress.total_bytes == 0) {
      return;
    }
    const std::string line =
        fmt::format("\rre-encrypted {:>3}%, {} of {}    ",
                    progress.done_bytes * kPercent / progress.total_bytes,
                    byte_text(progress.done_bytes), byte_text(progress.total_bytes));
    begun_ = true;
    (void)std::fputs(line.c_str(), stderr);
    (void)std::fflush(stderr);
  }
  [[nodiscard]] const ReencryptProgress& last() const { return last_; }

 private:
  const bool shown_;
  bool begun_ = false;
  ReencryptProgress last_;
};

double megabytes_per_second(const ReencryptStats& stats) {
  return stats.duration_seconds > 0
             ? static_cast<double>(stats.bytes) / kBytesPerMegabyte / stats.duration_seconds
             : 0;
}

std::string text_summary(const ReencryptStats& stats) {
  std::string text =
      stats.files == 0 && stats.left.empty()
          ? fmt::format("no file is under an older master key than generation {}", stats.generation)
          : fmt::format("re-encrypted {} {}, {} in {:.1f} s ({:.1f} MB/s), now under generation {}",
                        grouped(stats.files), plural(stats.files, "file", "files"),
                        byte_text(stats.bytes), stats.duration_seconds, megabytes_per_second(stats),
                        stats.generation);
  text += stats.generations_dropped == 0
              ? "; no master key was dropped\n"
              : fmt::format("; {} older master {} dropped\n", stats.generations_dropped,
                            plural(stats.generations_dropped, "key", "keys"));
  for (const std::string& line : stats.left) {
    text += fmt::format("LEFT        {}\n", sanitised(line));
  }
  return text;
}

std::string json_summary(const std::string& data_dir, const ReencryptStats& stats) {
  JsonWriter json;
  json.begin_object().member("data_dir", data_dir).member("files", stats.files);
  json.member("bytes", stats.bytes).member("generation", std::uint64_t{stats.generation});
  json.member("generations_dropped", stats.generations_dropped).member("left", stats.left);
  constexpr double kMillisecondsPerSecond = 1000;
  json.member("milliseconds",
              static_cast<std::uint64_t>(stats.duration_seconds * kMillisecondsPerSecond));
  json.end_object();
  return json.text() + "\n";
}

ToolOutput summary(const KeysArguments& arguments, const ReencryptStats& stats) {
  ToolOutput output{
      .text = arguments.json ? json_summary(arguments.data_dir, stats) : text_summary(stats),
      .error = {}};
  if (!stats.left.empty()) {
    output.status = kExitProblem;
    output.error =
        fmt::format("{} {} still under older master keys, and so these stay", stats.left.size(),
                    plural(stats.left.size(), "file is", "files are"));
  }
  return output;
}

ToolOutput paused(const ReencryptProgress& progress) {
  return {.status = kExitProblem,
          .text = {},
          .error = fmt::format("paused after {} of {}; what was done stays done, no master key was "
                               "dropped. The same command goes on from here",
                               byte_text(progress.done_bytes), byte_text(progress.total_bytes))};
}

ToolOutput reencrypt_with(const KeysArguments& arguments, const StoreSecret& secret) {
  const io::InterruptWatch interrupts;  // Before the engine has threads.
  EngineOptions options;
  options.create_if_missing = false;
  options.compress_sealed = false;  // What is not compressed may be so by choice.
  options.secret = &secret;
  const auto engine = Engine::open_with_recovery(arguments.data_dir, options);
  if (!engine) {
    return ended(kExitCannotOpen, engine.error());
  }
  ReencryptOptions how;
  how.bytes_per_second = 0;  // Nobody else uses it.
  ProgressLine line(io::is_error_terminal());
  how.progress = [&](const ReencryptProgress& progress) {
    line.show(progress);
    return !interrupts.is_interrupted();
  };
  const auto stats = (*engine)->reencrypt(how);
  const Status closed = (*engine)->close();
  if (!stats && stats.error().code == ErrorCode::kCancelled) {
    return closed ? paused(line.last()) : ended(kExitProblem, closed.error());
  }
  if (!stats) {
    return ended(kExitProblem, stats.error());
  }
  return closed ? summary(arguments, *stats) : ended(kExitProblem, closed.error());
}

}  // namespace

ToolOutput run_reencrypt(const KeysArguments& arguments) {
  io::FileSystem& files = io::posix_file_system();
  // Asked first: nobody is asked for a secret that opens nothing.
  const Status none = crypto::check_no_keyring(files, arguments.data_dir);
  if (none) {
    return ended(kExitCannotOpen,
                 {.code = ErrorCode::kNotFound, .context = arguments.data_dir + " has no keyring"});
  }
  if (none.error().code != ErrorCode::kInvalidArgument) {
    return ended(kExitCannotOpen, none.error());
  }
  const auto texts = read_secrets(arguments.secrets, "secret of a slot");
  if (!texts) {
    return ended(kExitUsage, texts.error());
  }
  if (texts->size() != 1) {
    return ended(kExitUsage,
                 {.code = ErrorCode::kInvalidArgument, .context = "more than one secret"});
  }
  const auto secret = StoreSecret::of_text(base::as_text(texts->front().bytes()));
  return secret ? reencrypt_with(arguments, *secret) : ended(kExitUsage, secret.error());
}

}  // namespace pluresdb::tools
