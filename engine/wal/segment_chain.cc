#include "engine/wal/segment_chain.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <ranges>
#include <span>
#include <tuple>
#include <vector>

#include "engine/wal/segment_format.h"

namespace pluresdb::wal {
namespace {

bool is_other_salt(const Predecessor& named, const Predecessor& found) {
  return named.salt != 0 && named.salt != found.salt;
}

Predecessor identity_of(const SegmentHeader& header) {
  return {.id = header.id, .salt = header.salt};
}

/// Of two segments of one history neither number is greater in the older one. (Its first seq may
/// be: behind a declared gap nothing needs to have been written.)
bool may_lie_below(const SegmentHeader& older, const SegmentHeader& newer) {
  return older.hlc_floor <= newer.hlc_floor &&
         older.predecessor.last_seq <= newer.predecessor.last_seq;
}

class ChainWalk {
 public:
  explicit ChainWalk(std::span<const ChainFile> files) : files_(files) {}

  std::vector<Stranger> run() {
    std::vector<std::size_t> appended;
    std::vector<std::size_t> rewritten;
    for (std::size_t i = 0; i < files_.size(); ++i) {
      (header(i).rewritten ? rewritten : appended).push_back(i);
    }
    // Newest first; of several that claim to be the same one that with the right name first.
    const auto order = [this](std::size_t i) {
      return std::tuple(header(i).id, files_[i].name_id == header(i).id);
    };
    std::ranges::sort(appended, std::ranges::greater{}, order);
    std::ranges::sort(rewritten, std::ranges::greater{}, order);
    for (const std::size_t file : appended) {
      if (chain_.empty() || follows(chain_.back(), file)) {
        chain_.push_back(file);
      } else {
        add_stranger(file, chain_.back());
      }
    }
    for (std::size_t i = 0; i < rewritten.size(); ++i) {
      judge_rewritten(rewritten[i], i == 0 ? nullptr : &rewritten[i - 1]);
    }
    for (Stranger& stranger : strangers_) {
      stranger.is_settled = is_settled(stranger);
    }
    return std::move(strangers_);
  }

 private:
  [[nodiscard]] const SegmentHeader& header(std::size_t index) const {
    return files_[index].header;
  }

  /// Whether `older` is the next one below `newer` that is there.
  [[nodiscard]] bool follows(std::size_t newer, std::size_t older) const {
    const Predecessor& named = header(newer).predecessor;
    if (header(older).id == named.id) {
      return !is_other_salt(named, identity_of(header(older)));
    }
    // Above it: there was nothing between them. Below: the one that is named is gone.
    return header(older).id < named.id && may_lie_below(header(older), header(newer));
  }

  /// It names the newest appended segment that it was made of. `previous`: with the id before.
  void judge_rewritten(std::size_t file, const std::size_t* previous) {
    if (previous != nullptr && header(*previous).id == header(file).id) {
      add_stranger(file, *previous);
      return;
    }
    const Predecessor& part = header(file).predecessor;
    // The last one in the chain that is not older than it.
    const auto below = std::ranges::partition_point(
        chain_, [&](std::size_t link) { return header(link).id >= part.id; });
    if (part.id == 0 || below == chain_.begin()) {
      return;
    }
    const std::size_t link = *(below - 1);
    const Predecessor& named = header(link).predecessor;
    const bool has_place =
        header(link).id == part.id
            ? header(link).salt == part.salt
            : part.id < named.id || (part.id == named.id && !is_other_salt(named, part));
    if (!has_place) {
      add_stranger(file, link);
    }
  }

  void add_stranger(std::size_t file, std::size_t witness) {
    strangers_.push_back({.file = file, .witness = witness});
  }

  /// The newest one names a predecessor that is not there.
  [[nodiscard]] bool is_newest_alone() const {
    return chain_.size() < 2 || header(chain_[1]).id != header(chain_.front()).predecessor.id;
  }

  [[nodiscard]] bool is_settled(const Stranger& stranger) const {
    const SegmentHeader& file = header(stranger.file);
    const SegmentHeader& witness = header(stranger.witness);
    if (identity_of(file) == identity_of(witness)) {
      return true;  // A copy.
    }
    // In the place of the newest one's predecessor: then the newest one may be what was put there.
    const std::uint64_t place = file.rewritten ? file.predecessor.id : file.id;
    const bool is_below_newest = !chain_.empty() && stranger.witness == chain_.front() &&
                                 place == witness.predecessor.id && is_newest_alone();
    return file.hlc_floor < witness.hlc_floor && !is_below_newest;
  }

  const std::span<const ChainFile> files_;
  std::vector<std::size_t> chain_;  // Newest first.
  std::vector<Stranger> strangers_;
};

}  // namespace

std::vector<Stranger> find_strangers(std::span<const ChainFile> files) {
  return ChainWalk(files).run();
}

}  // namespace pluresdb::wal
