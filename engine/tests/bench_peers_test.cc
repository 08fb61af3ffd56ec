// pluresdb-bench-peers as its user sees it: a whole run with tiny settings, its JSON read by
// another parser, its exit statuses.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <simdjson.h>
#include <sys/wait.h>

#include "engine/tests/io_test_directory.h"

namespace {

using pluresdb::io::TestDirectory;
using simdjson::dom::element;

struct Ended {
  int exit_status = -1;
  std::string output;
};

Ended run_command(const std::string& command) {
  std::FILE* pipe = popen(command.c_str(), "r");  // NOLINT(cert-env33-c): our own program.
  Ended ended;
  if (pipe == nullptr) {
    return ended;
  }
  std::array<char, 4096> block{};
  while (const std::size_t count = std::fread(block.data(), 1, block.size(), pipe)) {
    ended.output.append(block.data(), count);
  }
  const int status = pclose(pipe);
  ended.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return ended;
}

Ended run(const std::string& arguments) {
  return run_command(std::string(PLURESDB_BENCH_PEERS) + " " + arguments);
}

double number(const element& object, std::string_view name) {
  double value = -1;
  EXPECT_EQ(object[name].get(value), simdjson::SUCCESS) << name;
  return value;
}

std::string text(const element& object, std::string_view name) {
  std::string_view value;
  EXPECT_EQ(object[name].get(value), simdjson::SUCCESS) << name;
  return std::string(value);
}

simdjson::dom::array array(const element& object, std::string_view name) {
  simdjson::dom::array value;
  EXPECT_EQ(object[name].get(value), simdjson::SUCCESS) << name;
  return value;
}

void check_peer(const element& peer, double payload_bytes) {
  SCOPED_TRACE(text(peer, "peer"));
  EXPECT_GT(number(peer, "operations"), 0);
  EXPECT_GT(number(peer, "verified_samples"), 0);
  EXPECT_EQ(array(peer, "slices_operations_per_second").size(), 3U);
  const double rate = number(peer, "operations_per_second");
  EXPECT_GT(rate, 0);
  EXPECT_NEAR(number(peer, "megabytes_per_second"), rate * payload_bytes / 1e6, 1e-6 * rate);
  const element latency = peer["latency_microseconds"];
  EXPECT_GT(number(latency, "p50"), 0);
  EXPECT_GE(number(latency, "p99"), number(latency, "p50"));
  EXPECT_GE(number(latency, "p999"), number(latency, "p99"));
  EXPECT_GT(number(peer, "resident_bytes"), 1 << 20);
  EXPECT_GE(number(peer, "processor_microseconds_per_operation"), 0);
  const element written = peer["written_bytes_per_acknowledged_byte"];
  EXPECT_TRUE(written.is_null() || number(peer, "written_bytes_per_acknowledged_byte") > 0.9);
}

TEST(BenchPeers, MeasuresEveryPeerAndReadsItsWritesBack) {
  const TestDirectory directory;
  const Ended ended =
      run("--seconds 0.05 --recovery-entries 2000 --documents 2000 --payload-bytes 200,65536 "
          "--writers 1,4 --json --directory " +
          directory.path());
  ASSERT_EQ(ended.exit_status, 0) << ended.output;
  simdjson::dom::parser parser;
  element report;
  ASSERT_EQ(parser.parse(ended.output).get(report), simdjson::SUCCESS) << ended.output;
  EXPECT_EQ(text(report, "directory"), directory.path());
  EXPECT_FALSE(text(report, "file_system").empty());

  int cells = 0;
  for (const element cell : array(report, "cells")) {
    ++cells;
    const double payload = number(cell, "payload_bytes");
    const double writers = number(cell, "writers");
    SCOPED_TRACE(fmt::format("{} B, {} writers", payload, writers));
    std::string names;
    double best_peer_ratio = 0;
    for (const element peer : array(cell, "peers")) {
      check_peer(peer, payload);
      const std::string name = text(peer, "peer");
      names += name + " ";
      if (!name.starts_with("pluresdb") && name != "device") {
        best_peer_ratio = std::max(best_peer_ratio, number(peer, "ratio_to_fastest_peer"));
      }
    }
    EXPECT_EQ(names, std::string("pluresdb pluresdb-log pluresdb-async pluresdb-encrypted "
                                 "rocksdb leveldb sqlite sqlite-batched lmdb lmdb-batched ") +
                         (writers == 1 ? "device " : ""));
    EXPECT_EQ(best_peer_ratio, 1);
  }
  EXPECT_EQ(cells, 4);

  const element recovery = report["recovery"];
  EXPECT_EQ(number(recovery, "entries"), 2000);
  int recovered = 0;
  for (const element peer : array(recovery, "peers")) {
    const std::string name = text(peer, "peer");
    SCOPED_TRACE(name);
    const element open_seconds = peer["open_seconds"];
    if (name.starts_with("lmdb") || name == "device" || name == "sqlite-batched" ||
        name == "pluresdb-async") {
      EXPECT_TRUE(open_seconds.is_null());
      continue;
    }
    ++recovered;
    EXPECT_GT(number(peer, "open_seconds"), 0);
    EXPECT_GT(number(peer, "clean_open_seconds"), 0);
    EXPECT_EQ(array(peer, "opens_seconds").size(), 3U);
  }
  EXPECT_EQ(recovered, 6);

  const element memory = report["memory"];
  EXPECT_EQ(number(memory, "documents"), 2000);
  EXPECT_EQ(number(memory, "reads"), 2000);
  EXPECT_EQ(array(memory, "points").size(), 20U);
  EXPECT_GT(number(memory, "resident_bytes_max"), 1 << 20);
}

TEST(BenchPeers, JudgesItsTargetsByItsOwnFigures) {
  const TestDirectory directory;
  const Ended ended =
      run("--seconds 0.05 --recovery-entries 0 --payload-bytes 200,65536 --writers 1,4 "
          "--peers pluresdb,leveldb,device --json --directory " +
          directory.path());
  ASSERT_EQ(ended.exit_status, 0) << ended.output;
  simdjson::dom::parser parser;
  element report;
  ASSERT_EQ(parser.parse(ended.output).get(report), simdjson::SUCCESS) << ended.output;
  EXPECT_TRUE(element(report["recovery"]).is_null());
  EXPECT_TRUE(element(report["memory"]).is_null());
  int judged = 0;
  for (const element target : array(report, "targets")) {
    SCOPED_TRACE(text(target, "target"));
    EXPECT_EQ(text(target, "subject"), "pluresdb");
    const std::string verdict = text(target, "verdict");
    if (element(target["measured"]).is_null()) {
      EXPECT_EQ(verdict, "not measured");
      continue;
    }
    ++judged;
    const bool at_least = text(target, "comparison") == "at least";
    const double measured = number(target, "measured");
    const double wanted = number(target, "wanted");
    EXPECT_EQ(verdict, (at_least ? measured >= wanted : measured <= wanted) ? "met" : "missed");
  }
  EXPECT_GE(judged, 5);  // Two at one writer of 200 B, one at four, two rates of 64 KiB.
}

TEST(BenchPeers, PrintsTables) {
  const TestDirectory directory;
  const Ended ended =
      run("--seconds 0.02 --slices 2 --recovery-entries 100 --payload-bytes 200 --writers 2 "
          "--peers pluresdb,sqlite-batched,lmdb --directory " +
          directory.path());
  ASSERT_EQ(ended.exit_status, 0) << ended.output;
  for (const char* part : {"200 B, 2 writers", "p999 us", "open after kill -9 with 100 puts",
                           "against the fastest peer of each cell", "not measured", "n/a"}) {
    EXPECT_NE(ended.output.find(part), std::string::npos) << part << "\n" << ended.output;
  }
}

TEST(BenchPeers, RefusesWhatItDoesNotUnderstand) {
  for (const char* arguments :
       {"--seconds x", "--seconds 0", "--no-such-option", "--peers mongodb", "--writers 65",
        "--payload-bytes 10", "--payload-bytes 1048576 --writers 64", "--recovery-entries -1",
        "--under-way 0"}) {
    EXPECT_EQ(run(std::string(arguments) + " 2>/dev/null").exit_status, 2) << arguments;
  }
  EXPECT_EQ(run("--help").exit_status, 0);
}

TEST(BenchPeers, SaysWhenItCannotWrite) {
  const Ended ended = run("--directory /nowhere/at/all 2>&1");
  EXPECT_EQ(ended.exit_status, 3);
  EXPECT_NE(ended.output.find("/nowhere/at/all"), std::string::npos) << ended.output;
}

TEST(Bench, SaysWhenItCannotWrite) {
  const Ended ended =
      run_command("PLURESDB_BENCH_DIR=/nowhere/at/all " + std::string(PLURESDB_BENCH) + " 2>&1");
  EXPECT_EQ(ended.exit_status, 3);
  EXPECT_NE(ended.output.find("/nowhere/at/all"), std::string::npos) << ended.output;
  EXPECT_NE(ended.output.find("PLURESDB_BENCH_DIR"), std::string::npos) << ended.output;
}

}  // namespace
