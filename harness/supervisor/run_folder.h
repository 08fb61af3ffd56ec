// The run folder of the contract: who finds what where. docs/SCENARIOS.md "Run folder".
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "harness/report/run_result.h"
#include <pluresdb/error.h>

namespace soak::supervisor {

struct RunFolderOptions {
  std::string out_directory;  ///< Empty: runs/<title>-<utc>.
  std::string title;
  std::string utc;  ///< "20261124T214059Z"
  std::string resolved_toml;
  std::string store_key{};  ///< Of an encrypted run (store_key_text).
};

class RunFolder {
 public:
  /// Creates the folder with scenario.toml, workers/ and, for an encrypted run, store.key. Errors:
  /// kInvalidArgument when it holds something already, kIo when it cannot be written; both say what
  /// to do.
  static pluresdb::Result<RunFolder> create(const RunFolderOptions& options);

  [[nodiscard]] std::string path() const { return root_.string(); }
  [[nodiscard]] std::string data() const { return (root_ / "data").string(); }
  [[nodiscard]] std::string file(const std::string& name) const { return (root_ / name).string(); }
  [[nodiscard]] std::string worker_log(std::uint32_t incarnation) const;
  [[nodiscard]] std::string worker_config(std::uint32_t incarnation) const;
  /// Where libfiu's remote control of the workers listens: <base>-<pid>.in and .out.
  [[nodiscard]] std::string fiu_fifo_base() const { return (root_ / "fiu").string(); }

  /// Log and config of a worker that ended as planned; the newest kKeptWorkers stay.
  void forget_worker(std::uint32_t incarnation) const;
  /// The remote control of a worker that is gone.
  void remove_fiu_fifos(int pid) const;
  /// Applies keep_data; writes repro.sh unless the verdict is pass.
  [[nodiscard]] pluresdb::Status finish(const std::string& keep_data,
                                        const report::RunResult& result) const;
  /// The run never began: removes what create() made, so that the command can be given again.
  void discard() const;

 private:
  std::filesystem::path root_;
  bool created_root_ = false;
};

/// Last lines of a text file, at most `lines` of them; empty when it cannot be read.
std::string last_lines(const std::string& file, std::size_t lines);

}  // namespace soak::supervisor
