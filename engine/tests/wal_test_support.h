// What the tests of the log share: a client that stamps and remembers, records as values, opening.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <ostream>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "engine/base/check.h"
#include "engine/io/file_system.h"
#include "engine/tests/wal_memory_disk.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_format.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/options.h>

namespace pluresdb::wal_test {

/// Status and Result in an assertion: the text of the error is what one wants to read.
template <typename T>
testing::AssertionResult succeeded(const Result<T>& result) {
  if (result.has_value()) {
    return testing::AssertionSuccess();
  }
  return testing::AssertionFailure() << to_string(result.error());
}

template <typename T>
testing::AssertionResult failed_with(const Result<T>& result, ErrorCode code) {
  if (result.has_value()) {
    return testing::AssertionFailure() << "succeeded";
  }
  if (result.error().code == code) {
    return testing::AssertionSuccess();
  }
  return testing::AssertionFailure() << to_string(result.error());
}

/// A record as a value.
struct Record {
  Seq seq = 0;
  std::int64_t timestamp_us = 0;
  Hlc hlc = 0;
  std::uint64_t actor_seq = 0;
  wal::OperationType type = wal::OperationType::kPut;
  std::string actor;
  std::string id;
  std::string value;
  std::uint64_t argument = 0;
  friend bool operator==(const Record&, const Record&) = default;
};

inline Record record_of(const wal::RecordView& view) {
  return {.seq = view.seq,
          .timestamp_us = view.timestamp_us,
          .hlc = view.hlc,
          .actor_seq = view.actor_seq,
          .type = view.type,
          .actor = std::string(view.actor),
          .id = std::string(view.id),
          .value = std::string(view.value),
          .argument = view.argument};
}

inline std::ostream& operator<<(std::ostream& out, const Record& record) {
  return out << "{seq " << record.seq << ", " << record.actor << "/" << record.actor_seq << ", "
             << record.id << ", " << record.value.size() << " bytes}";
}

/// Stamps from a counter; remembers what it was told to make visible. Checks the order of calls.
class TestClient final : public wal::LogClient {
 public:
  explicit TestClient(Hlc floor = 0) : last_hlc_(floor) {}
  void set_issued(std::string actor, std::uint64_t actor_seq) {
    issued_[std::move(actor)] = actor_seq;
  }

  wal::RecordStamp stamp(std::string_view actor) override {
    ++last_hlc_;
    return {.timestamp_us = static_cast<std::int64_t>(last_hlc_ * 1000),
            .hlc = last_hlc_,
            .actor_seq = ++issued_[std::string(actor)]};
  }
  void apply(std::span<const wal::RecordView> records) override {
    for (const wal::RecordView& record : records) {
      DB_CHECK(applied_.empty() || record.seq > applied_.back().seq);
      applied_.push_back(record_of(record));
    }
  }
  void unstamp(std::span<const wal::RecordView> records) override {
    for (const wal::RecordView& record : records) {
      std::uint64_t& issued = issued_[std::string(record.actor)];
      DB_CHECK(issued == record.actor_seq);  // Last one first.
      --issued;
      ++unstamped_;
    }
  }
  Hlc hlc_floor() override { return last_hlc_; }

  [[nodiscard]] const std::vector<Record>& applied() const { return applied_; }
  [[nodiscard]] std::uint64_t unstamped() const { return unstamped_; }

 private:
  Hlc last_hlc_;
  std::map<std::string, std::uint64_t> issued_;
  std::vector<Record> applied_;
  std::uint64_t unstamped_ = 0;
};

inline constexpr const char* kDirectory = "wal";
inline constexpr const char* kQuarantine = "quarantine";

inline wal::LogOptions test_options(io::FileSystem& files) {
  wal::LogOptions options;
  options.directory = kDirectory;
  options.quarantine_directory = kQuarantine;
  options.segment_bytes = 64ULL << 10;
  options.large_value_bytes = 4ULL << 10;
  options.background_threads = false;
  options.files = &files;
  return options;
}

/// An open log with its client; reopening keeps the directory.
class TestLog {
 public:
  explicit TestLog(io::FileSystem& files) : options(test_options(files)) {}
  explicit TestLog(wal::LogOptions log_options) : options(std::move(log_options)) {}

  Status open(Seq seq_floor = 0) {
    log = nullptr;
    TRY_ASSIGN(log, wal::Log::open(options, seq_floor));
    client = std::make_unique<TestClient>(log->recovery().hlc_floor);
    TRY(log->replay(0, false, [this](const wal::RecordView& record) -> Status {
      client->set_issued(std::string(record.actor), record.actor_seq);
      return {};
    }));
    log->start(*client);
    return {};
  }
  Result<Seq> put(std::string_view id, std::string_view value, std::string_view actor = "a") {
    return log->append({.actor = actor, .id = id, .value = value});
  }
  Result<std::vector<Record>> read_all(Seq from = 0) {
    std::vector<Record> records;
    TRY(log->replay(from, true, [&records](const wal::RecordView& record) -> Status {
      records.push_back(record_of(record));
      return {};
    }));
    return records;
  }
  /// Seqs of all readable records; fails the test when they cannot be read.
  std::vector<Seq> seqs() {
    std::vector<Seq> result;
    const auto records = read_all();
    EXPECT_TRUE(succeeded(records));
    if (records) {
      for (const Record& record : *records) {
        result.push_back(record.seq);
      }
    }
    return result;
  }

  // In this order: the log goes first.
  wal::LogOptions options;
  std::unique_ptr<TestClient> client;
  std::unique_ptr<wal::Log> log;
};

inline std::string segment_path(std::uint64_t id) {
  return io::join_path(kDirectory, wal::segment_name(id));
}

/// `count` bytes that depend on `seed`, without repetition that would hide a misplaced part.
inline std::string payload(std::size_t count, std::uint64_t seed) {
  std::string text;
  text.reserve(count);
  std::uint64_t state = seed * 2654435761U + 1;
  while (text.size() < count) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    text.push_back(static_cast<char>('a' + (state >> 33U) % 26));
  }
  return text;
}

inline std::vector<Seq> seqs_between(Seq first, Seq last) {
  std::vector<Seq> result;
  for (Seq seq = first; seq <= last; ++seq) {
    result.push_back(seq);
  }
  return result;
}

}  // namespace pluresdb::wal_test
