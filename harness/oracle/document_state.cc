#include "harness/oracle/document_state.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace soak::oracle {

void DocumentState::acknowledge(const Write& write, bool keep_history) {
  if (!keep_history) {
    // Earlier maybes carry older stamps, so they can never win over this write.
    *this = DocumentState();
    base_ = write;
    return;
  }
  later_.push_back(write);
  if (later_.size() > kHistoryMax) {
    later_.erase(later_.begin(), later_.begin() + kHistoryMax / 2);
    cut_ = true;
  }
  certain_ = static_cast<std::uint32_t>(later_.size());
}

void DocumentState::add_maybe(const Write& write) {
  later_.push_back(write);
  later_.back().acknowledged = false;
}

void DocumentState::forget_history() {
  if (certain_ == 0) {
    return;
  }
  base_ = certain();
  later_.erase(later_.begin(), later_.begin() + certain_);
  certain_ = 0;
  cut_ = false;
}

bool DocumentState::may_be_absent() const {
  return certain().is_absence() ||
         std::any_of(maybes().begin(), maybes().end(),
                     [](const Write& write) { return write.is_absence(); });
}

// Makes possibility `index` the base and keeps the possibilities from `keep_from` on.
void DocumentState::settle_at(std::size_t index, std::size_t keep_from) {
  const Write settled = possibility(index);
  later_.erase(later_.begin(),
               later_.begin() + static_cast<std::ptrdiff_t>(certain_ + keep_from - 1));
  base_ = settled;
  certain_ = 0;
  cut_ = false;
}

bool DocumentState::observe(std::uint32_t incarnation, bool keep_history, const Matches& matches) {
  const std::size_t count = 1 + maybes().size();
  // Maybes of earlier incarnations come first. The read settles them: of those that match, the last
  // one (all that match look the same), and the others will never be there.
  std::size_t old_count = 1;
  while (old_count < count && possibility(old_count).incarnation < incarnation) {
    ++old_count;
  }
  for (std::size_t i = old_count; i > 0; --i) {
    if (matches(possibility(i - 1))) {
      if (old_count > 1 || is_cut()) {
        settle_at(i - 1, old_count);
      }
      return true;
    }
  }
  // Maybes of this incarnation: absence of an effect proves nothing, but an effect must stay. The
  // first that matches is the least that must have happened.
  for (std::size_t i = old_count; i < count; ++i) {
    if (!matches(possibility(i))) {
      continue;
    }
    if (keep_history) {
      certain_ += static_cast<std::uint32_t>(i);
    } else {
      settle_at(i, i + 1);
    }
    return true;
  }
  return false;
}

void DocumentState::adopt(const Write& write) {
  *this = DocumentState();
  base_ = write;
}

}  // namespace soak::oracle
