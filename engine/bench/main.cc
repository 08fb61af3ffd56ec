// pluresdb-bench: Google Benchmark over the public API and the log. PLURESDB_BENCH_DIR chooses the
// disk.
//
// A run without --benchmark_filter leaves out what is called extended/...: whole matrices and what
// is large.
#include <cstdio>
#include <string>

#include <benchmark/benchmark.h>

#include "engine/bench/bench_directory.h"
#include <pluresdb/error.h>

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
    return 2;
  }
  const std::string root = pluresdb::bench::bench_root();
  if (const auto tried = pluresdb::bench::BenchDirectory::create(root); !tried) {
    (void)std::fprintf(stderr,
                       "pluresdb-bench: %s; PLURESDB_BENCH_DIR names a writable directory\n",
                       pluresdb::to_string(tried.error()).c_str());
    return 3;
  }
  (void)std::fprintf(stderr, "writing below %s, file system: %s\n", root.c_str(),
                     pluresdb::bench::file_system_name(root).c_str());
  const bool chooses = !benchmark::GetBenchmarkFilter().empty();
  benchmark::RunSpecifiedBenchmarks(chooses ? benchmark::GetBenchmarkFilter() : "-^extended/");
  benchmark::Shutdown();
  return 0;
}
