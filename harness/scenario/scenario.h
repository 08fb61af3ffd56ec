// A scenario as data: what scenario files say, parsed once, units resolved. docs/SCENARIOS.md.
//
// Durations are seconds, sizes bytes, rates per second. Each part of the harness is given only its
// own sub-struct.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "harness/common/worker_config.h"

namespace soak::scenario {

struct CheckpointSection {
  std::uint64_t wal_bytes = 0;
  std::uint64_t operations = 0;
  double every_seconds = 0;
};

struct EngineSection {
  std::string target = "pluresdb";
  std::string file_system = "auto";  ///< auto | layered
  std::string durability = "wal";
  std::uint64_t segment_bytes = 64ULL << 20;
  CheckpointSection checkpoint;
  std::string encryption = "none";
  std::uint64_t vector_dimension = 0;
};

struct ReplicasSection {
  std::uint32_t count = 1;
  double sync_every_seconds = 0;
};

struct AgentsSection {
  std::string name;
  std::uint32_t count = 1;
  double operations_per_second = 0;  ///< Per agent; 0 is "max".
  std::array<std::uint32_t, kOperationKindCount> mix{};
  PayloadDistribution payload;
  double retention_seconds = 0;
};

struct PhaseSection {
  std::string name;
  double duration_seconds = 0;
  std::vector<std::string> faults;  ///< Names of faults active in this phase.
};

enum class FaultKind {
  kCrash,
  kPowerLoss,
  kPause,
  kDiskFull,
  kIoError,
  kSyncError,
  kShortWrite,
  kTornWrite,
  kBitFlip,
  kMisdirectedWrite,
  kTampering,
  kMemoryLimit,
  kSlowIo,
  kClockJump,
  kCrashImage,
};
const char* fault_kind_name(FaultKind kind);

struct FaultSection {
  std::string name;
  FaultKind kind = FaultKind::kCrash;
  std::optional<double> every_seconds;
  double jitter = 0;  ///< 0..1: fraction of `every` by which each instant varies.
  std::optional<double> at_seconds;
  std::optional<double> for_seconds;
  std::string point;              ///< libfiu points that are armed, or whose files are damaged.
  double probability = 1.0;       ///< Per call of the point while armed.
  std::uint64_t times = 0;        ///< At most this many firings per arming; 0: no limit.
  std::uint64_t nth = 0;          ///< Only the n-th call since the arming; 0: any.
  std::uint64_t every_calls = 0;  ///< Only each n-th call; 0: any.
  std::uint64_t min_bytes = 0, max_bytes = 0;  ///< Calls of other sizes do not count; max 0: any.
  std::string error = "EIO";                   ///< io_error, short_write: a name of fault_errors().
  double delay_seconds = 0;                    ///< slow_io.
  double by_seconds = 0;                       ///< clock_jump.
  std::string direction = "either";            ///< clock_jump: forward | back | either.
  std::uint32_t images = 4;                    ///< crash_image: of each clone.
  std::string after_error;                     ///< sync_error: what the page cache does afterwards.
  std::string device = "any";        ///< power_loss, crash_image: of power_loss_devices().
  std::string keep = "none";         ///< power_loss: of unsynced writes: none | prefix | subset.
  std::uint32_t sector_bytes = 512;  ///< At which writes are torn: 512 or 4096.
  std::string names = "none";        ///< power_loss: of unsynced names: none | prefix | any.
  double garbage = 0;                ///< power_loss: of the lost sectors of torn writes.
  std::uint64_t must_fire = 1;
};

struct ThresholdSection {
  std::string metric;
  std::string stat;
  std::optional<double> max;
  std::optional<double> min;
};

struct ExpectSection {
  std::string verdict = "pass";  ///< pass | fail | inconclusive
  std::string check;             ///< With "fail": the check that must say so.
};

struct Scenario {
  std::string title, why;
  std::uint64_t seed = 0;  ///< Resolved when the file says "random".
  bool seed_was_random = false;
  double duration_seconds = 60;
  EngineSection engine;
  ReplicasSection replicas;
  std::vector<AgentsSection> agents;
  std::vector<PhaseSection> phases;
  std::vector<FaultSection> faults;
  std::vector<ThresholdSection> thresholds;
  std::vector<std::string> must_reach;   ///< Recovery branches: "torn_tail_dropped", ...
  std::string metrics_listen;            ///< "ADDR:PORT"; empty: no exposer.
  std::string keep_data = "on_failure";  ///< always | on_failure | never
  std::string defect;  ///< [defect] kind = "lying_fsync": only in scenarios/negative.
  ExpectSection expect;
};

/// One finding, with its place in the text.
struct Diagnostic {
  std::string file;
  std::uint32_t line = 0, column = 0, end_column = 0;  ///< From 1; columns count code points.
  std::string message;                                 ///< What and what to do.
};

struct ParseOptions {
  std::optional<std::uint64_t> seed{};       ///< --seed
  std::optional<double> duration_seconds{};  ///< --duration: rescales phases, at, for, must_fire.
  std::vector<std::string> overrides{};      ///< --set key.path=value
};

struct ParseResult {
  std::optional<Scenario> scenario;  ///< Present when there is no diagnostic.
  std::vector<Diagnostic> diagnostics;
  std::string resolved_toml;  ///< The scenario as it will run, every default written out.
};

/// Parses `text` of `file`. All semantic errors are reported, not only the first.
ParseResult parse(const std::string& file, const std::string& text, const ParseOptions& options);
/// Reads the file first; a missing file is a diagnostic too.
ParseResult parse_file(const std::string& file, const ParseOptions& options);
/// "file:5:8: error: ...", the source line, a caret under the place.
std::string render(const Diagnostic& diagnostic, const std::string& text, bool color);

}  // namespace soak::scenario
