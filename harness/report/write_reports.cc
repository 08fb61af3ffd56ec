// Puts the reports into the run folder. Each is written beside its name and renamed, so a reader
// never sees half a file.
#include <cerrno>
#include <cstdio>
#include <string>
#include <string_view>

#include "harness/report/reports.h"
#include "harness/report/run_result.h"
#include <pluresdb/error.h>

namespace soak::report {
namespace {

using pluresdb::ErrorCode;
using pluresdb::fail;
using pluresdb::Status;

Status write_file(const std::string& path, std::string_view text) {
  const std::string temporary = path + ".tmp";
  std::FILE* file = std::fopen(temporary.c_str(), "we");
  if (file == nullptr) {
    return fail(ErrorCode::kIo, "create " + temporary, errno);
  }
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  const int write_errno = errno;
  if (std::fclose(file) != 0 || !written) {
    return fail(ErrorCode::kIo, "write " + temporary, written ? errno : write_errno);
  }
  if (std::rename(temporary.c_str(), path.c_str()) != 0) {
    return fail(ErrorCode::kIo, "rename " + temporary, errno);
  }
  return {};
}

}  // namespace

Status write_reports(const RunResult& result, const std::string& run_folder) {
  // The verdict first: should the disk be full, programs still learn it.
  TRY(write_file(run_folder + "/summary.json", summary_json(result)));
  TRY(write_file(run_folder + "/junit.xml", junit_xml(result)));
  return write_file(run_folder + "/report.html", report_html(result));
}

}  // namespace soak::report
