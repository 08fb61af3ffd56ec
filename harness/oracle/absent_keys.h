// The newest documents that must not be there: deleted ones, and first writes that did not survive.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "harness/common/operation.h"
#include "harness/oracle/document_state.h"

namespace soak::oracle {

/// A bounded ring: old keys are forgotten, since they only choose what is read again and how a
/// violation is called; that nothing is there is known without it.
class AbsentKeys {
 public:
  enum class Reason : std::uint8_t { kDeleted, kNeverThere };
  struct Entry {
    DocumentKey key;
    Reason reason = Reason::kDeleted;
    Write last{};  ///< What made it absent.
  };

  void add(const Entry& entry) {
    if (entries_.size() < kEntriesMax) {
      entries_.push_back(entry);
    } else {
      entries_[added_ % kEntriesMax] = entry;
    }
    ++added_;
  }
  /// The newest entry of `key`. Linear: only for violations.
  [[nodiscard]] std::optional<Entry> find(const DocumentKey& key) const {
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      const Entry& entry = entries_[(added_ - 1 - i) % kEntriesMax];
      if (entry.key == key) {
        return entry;
      }
    }
    return std::nullopt;
  }
  /// Known not to be there because no write of it survived.
  [[nodiscard]] bool was_never_there(const DocumentKey& key) const {
    const std::optional<Entry> entry = find(key);
    return entry && entry->reason == Reason::kNeverThere;
  }
  /// Appends the keys added since the last call (those that are still known).
  void take_new(std::vector<DocumentKey>& out) {
    const std::uint64_t count = std::min<std::uint64_t>(added_ - taken_, entries_.size());
    for (std::uint64_t i = added_ - count; i < added_; ++i) {
      out.push_back(entries_[i % kEntriesMax].key);
    }
    taken_ = added_;
  }
  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  [[nodiscard]] const Entry& at(std::size_t index) const { return entries_[index]; }

  static constexpr std::size_t kEntriesMax = 65'536;

 private:
  std::vector<Entry> entries_;
  std::uint64_t added_ = 0;
  std::uint64_t taken_ = 0;
};

}  // namespace soak::oracle
