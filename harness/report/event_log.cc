// events.ndjson: one line per event, on disk as soon as it is written.
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <ctime>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/core.h>

#include "harness/report/reports.h"
#include <pluresdb/error.h>

namespace soak::report {
namespace {

using pluresdb::ErrorCode;
using pluresdb::fail;

std::string utc_now() {
  timespec now{};
  // NOLINTNEXTLINE(misc-include-cleaner): it is in <ctime>, which is included.
  static_cast<void>(::clock_gettime(CLOCK_REALTIME, &now));  // Cannot fail for this clock.
  tm parts{};
  static_cast<void>(::gmtime_r(&now.tv_sec, &parts));
  std::array<char, 32> text{};
  const std::size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  return fmt::format("{}.{:03}Z", std::string_view(text.data(), length), now.tv_nsec / 1'000'000);
}

/// A failed write is kept and reported by close(): an event is never worth ending a run for.
class FileEventLog : public EventLog {
 public:
  FileEventLog(std::string path, std::FILE* file) : path_(std::move(path)), file_(file) {}
  FileEventLog(const FileEventLog&) = delete;
  FileEventLog& operator=(const FileEventLog&) = delete;
  FileEventLog(FileEventLog&&) = delete;
  FileEventLog& operator=(FileEventLog&&) = delete;
  ~FileEventLog() override {
    if (file_ != nullptr) {
      static_cast<void>(std::fclose(file_));
    }
  }

  void write(double time_seconds, std::string_view event, const Fields& fields) override {
    std::string line = fmt::format(R"({{"time_seconds":{:.3f},"utc":"{}","event":{})", time_seconds,
                                   utc_now(), json_quote(event));
    for (const auto& [key, value] : fields) {
      line += fmt::format(",{}:{}", json_quote(key), value);
    }
    line += "}\n";
    const std::lock_guard lock(mutex_);
    if (file_ == nullptr) {
      return;
    }
    const bool written =
        std::fwrite(line.data(), 1, line.size(), file_) == line.size() && std::fflush(file_) == 0;
    if (!written && first_errno_ == 0) {
      first_errno_ = errno;
    }
  }

  pluresdb::Status close() override {
    const std::lock_guard lock(mutex_);
    if (file_ == nullptr) {
      return {};
    }
    if (std::fclose(std::exchange(file_, nullptr)) != 0 && first_errno_ == 0) {
      first_errno_ = errno;
    }
    if (first_errno_ != 0) {
      return fail(ErrorCode::kIo, "write " + path_, first_errno_);
    }
    return {};
  }

 private:
  const std::string path_;
  std::mutex mutex_;
  std::FILE* file_;      ///< Guarded by mutex_; null after close().
  int first_errno_ = 0;  ///< Guarded by mutex_.
};

}  // namespace

pluresdb::Result<std::unique_ptr<EventLog>> EventLog::create(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "we");
  if (file == nullptr) {
    return fail(ErrorCode::kIo, "create " + path, errno);
  }
  return std::make_unique<FileEventLog>(path, file);
}

}  // namespace soak::report
