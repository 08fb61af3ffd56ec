// What one document may be: the last acknowledged write and the later writes of unknown outcome.
// Pure state, no contents: the caller says which op numbers match what was read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace soak::oracle {

/// One attempted write. op 0: the document before its first write.
struct Write {
  std::uint64_t op = 0;
  std::uint32_t incarnation = 0;
  bool is_delete = false;
  bool acknowledged = true;
  std::uint64_t seq = 0;  ///< Of an acknowledged write; else its agent's last one before it.
  [[nodiscard]] bool is_absence() const { return op == 0 || is_delete; }
};

class DocumentState {
 public:
  /// True when the write left the bytes that were read (for an absence: that nothing was found).
  using Matches = std::function<bool(const Write&)>;

  /// `keep_history`: the write may be lost when the worker dies (lose_acknowledged); remember what
  /// it replaces.
  void acknowledge(const Write& write, bool keep_history);
  void add_maybe(const Write& write);
  /// Every write since the worker's start is a maybe from now on.
  void lose_acknowledged() { certain_ = 0; }
  /// A new worker has opened the store: what was acknowledged before is durable.
  void forget_history();

  /// Compares a read in `incarnation` with what is possible, and learns from it. False: a
  /// violation; nothing is learned.
  bool observe(std::uint32_t incarnation, bool keep_history, const Matches& matches);
  /// Takes `write` as what is there (of a document whose history was cut).
  void adopt(const Write& write);

  /// The write that must be there unless a later maybe is.
  [[nodiscard]] const Write& certain() const {
    return certain_ == 0 ? base_ : later_[certain_ - 1];
  }
  [[nodiscard]] std::span<const Write> maybes() const {
    return std::span(later_).subspan(certain_);
  }
  /// The certain write was a maybe that a read has shown.
  [[nodiscard]] bool certain_was_maybe() const { return !certain().acknowledged; }
  /// Some possibility is that the document is absent.
  [[nodiscard]] bool may_be_absent() const;
  /// Older writes than the table knows are possible: the history was longer than its limit.
  [[nodiscard]] bool is_cut() const { return cut_ && certain_ == 0; }
  /// Nothing to remember: absent for certain.
  [[nodiscard]] bool is_settled_absence() const { return base_.is_absence() && later_.empty(); }

  static constexpr std::size_t kHistoryMax = 4096;

 private:
  [[nodiscard]] const Write& possibility(std::size_t index) const {
    return index == 0 ? certain() : later_[certain_ + index - 1];
  }
  void settle_at(std::size_t index, std::size_t keep_from);

  Write base_;                 ///< Durable for certain.
  std::vector<Write> later_;   ///< In order of op.
  std::uint32_t certain_ = 0;  ///< 0: base_ is; else later_[certain_ - 1] is acknowledged.
  bool cut_ = false;
};

}  // namespace soak::oracle
