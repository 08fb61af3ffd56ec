// What the loops over failing operations share: the ways to fail, and the table of what a call may
// swallow.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <set>
#include <span>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "engine/tests/core_failing_disk.h"
#include "engine/tests/core_test_util.h"
#include <pluresdb/error.h>

namespace pluresdb::testing {

inline constexpr FailureMode kFailsOnce{.name = "fails once"};
inline constexpr FailureMode kFailsFromThereOn{.name = "fails from there on", .lasting = true};
inline constexpr FailureMode kTookEffect{.name = "took effect, fails once",
                                         .effect = FailureMode::Effect::kAll};

inline constexpr FailureMode kFailureModes[] = {
    kFailsOnce,
    kFailsFromThereOn,
    {.name = "once no space", .code = ErrorCode::kNoSpace, .sys_errno = ENOSPC},
    {.name = "no space from there on",
     .code = ErrorCode::kNoSpace,
     .sys_errno = ENOSPC,
     .lasting = true},
    {.name = "one short write", .effect = FailureMode::Effect::kPrefix},
    {.name = "short writes from there on",
     .code = ErrorCode::kNoSpace,
     .sys_errno = ENOSPC,
     .effect = FailureMode::Effect::kPrefix,
     .lasting = true},
    kTookEffect,
};

/// An operation that may fail while the call that needed it succeeds.
struct Swallowed {
  std::string_view activity;   ///< Beginning of its name.
  std::string_view operation;  ///< Empty: any.
  std::string_view path;       ///< A part of it.
  bool once;                   ///< Only when no later operation fails.
  std::string_view reason;
  bool no_space = false;    ///< Only when it fails for lack of space.
  bool under_lock = false;  ///< Only when the store's lock is held.
  bool encrypted = false;   ///< Only in the run on encrypted stores.

  [[nodiscard]] bool covers(std::string_view of, const FailingDisk::Call& call,
                            const FailureMode& mode) const {
    return of.starts_with(activity) && (operation.empty() || call.operation == operation) &&
           call.path.find(path) != std::string_view::npos && (!once || !mode.lasting) &&
           (!no_space || mode.code == ErrorCode::kNoSpace) && (!under_lock || call.under_lock) &&
           is_of_this_run();
  }
  [[nodiscard]] bool is_of_this_run() const { return !encrypted || secret_of_run() != nullptr; }
};

/// Judges runs, and knows afterwards what of the table they have needed.
class SwallowTable {
 public:
  explicit SwallowTable(std::span<const Swallowed> rows) : rows_(rows) {}

  void begin_loop() { ++loops_; }

  /// Either the call fails, or nothing did that is not in the table.
  void judge(std::string_view activity, const Status& outcome,
             const std::vector<FailingDisk::Call>& failed, const FailureMode& mode) {
    if (failed.empty()) {
      EXPECT_TRUE(outcome.has_value()) << "nothing failed: " << to_string(outcome.error());
    }
    if (!outcome) {
      return;
    }
    for (const auto& call : failed) {
      const auto row = std::ranges::find_if(
          rows_, [&](const Swallowed& each) { return each.covers(activity, call, mode); });
      EXPECT_NE(row, rows_.end()) << "swallowed: " << call.operation << " " << call.path;
      if (row != rows_.end()) {
        used_.insert(&*row);
      }
    }
  }

  /// After a run of all `loops`: a row that nothing needs is a hole.
  void expect_all_needed(std::size_t loops) const {
    for (const Swallowed& row : rows_) {
      EXPECT_TRUE(used_.contains(&row) || !row.is_of_this_run() || loops_ < loops)
          << "no longer swallowed: " << row.activity << " " << row.operation << " " << row.path;
    }
  }

 private:
  const std::span<const Swallowed> rows_;
  std::set<const Swallowed*> used_;
  std::size_t loops_ = 0;
};

}  // namespace pluresdb::testing
