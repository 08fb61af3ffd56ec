#include "harness/supervisor/plaintext_search.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <ios>
#include <iterator>
#include <limits>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace soak::supervisor {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBlockBytes = 4UL << 20;
constexpr unsigned kByteValues = 256;

std::size_t pair_of(char first, char second) {
  return static_cast<unsigned char>(first) * std::size_t{kByteValues} +
         static_cast<unsigned char>(second);
}

void note(PlaintextSearch& result, std::string text) {
  if (++result.findings; result.found.size() < PlaintextSearch::kFoundMax) {
    result.found.push_back(std::move(text));
  }
}

}  // namespace

void PlaintextSearch::add(const PlaintextSearch& other) {
  canaries = std::max(canaries, other.canaries);
  files += other.files;
  bytes += other.bytes;
  findings += other.findings;
  const std::size_t more = std::min(other.found.size(), kFoundMax - found.size());
  std::copy_n(other.found.begin(), more, std::back_inserter(found));
  unfinished.insert(unfinished.end(), other.unfinished.begin(), other.unfinished.end());
}

CanarySearch::CanarySearch(std::vector<Canary> canaries) : canaries_(std::move(canaries)) {
  const auto size = [](const Canary& canary) { return canary.bytes.size(); };
  shortest_ = size(*std::ranges::min_element(canaries_, {}, size));
  longest_ = size(*std::ranges::max_element(canaries_, {}, size));
  shortest_ = std::min<std::size_t>(shortest_, std::numeric_limits<std::uint8_t>::max());
  shifts_.assign(std::size_t{kByteValues} * kByteValues, static_cast<std::uint8_t>(shortest_ - 1));
  for (const Canary& canary : canaries_) {
    for (std::size_t end = 1; end < shortest_; ++end) {
      std::uint8_t& shift = shifts_[pair_of(canary.bytes[end - 1], canary.bytes[end])];
      shift = std::min(shift, static_cast<std::uint8_t>(shortest_ - 1 - end));
    }
  }
}

CanarySearch::Hit CanarySearch::first_in(std::string_view bytes) const {
  std::size_t end = shortest_ - 1;  // Of the window that a canary's beginning may fill.
  while (end < bytes.size()) {
    const std::size_t shift = shifts_[pair_of(bytes[end - 1], bytes[end])];
    if (shift > 0) {
      end += shift;
      continue;
    }
    const std::size_t begin = end + 1 - shortest_;
    const std::string_view here = bytes.substr(begin);
    for (const Canary& canary : canaries_) {
      if (here.starts_with(canary.bytes)) {
        return {.canary = &canary, .offset = begin};
      }
    }
    ++end;
  }
  return {};
}

PlaintextSearch CanarySearch::search(const fs::path& folder) const {
  PlaintextSearch result{.canaries = canaries_.size()};
  std::error_code error;
  for (fs::recursive_directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().lexically_relative(folder).string();
    if (const Hit hit = first_in(name); hit.canary != nullptr) {
      note(result, fmt::format("the name {} holds {}", name, hit.canary->what));
    }
    if (entry->is_regular_file(error)) {
      search_file(entry->path(), name, result);
    }
  }
  if (error) {
    result.unfinished.push_back(fmt::format("list {}: {}", folder.string(), error.message()));
  }
  return result;
}

void CanarySearch::search_file(const fs::path& file, const std::string& name,
                               PlaintextSearch& result) const {
  std::ifstream stream(file, std::ios::binary);
  std::string block;
  std::uint64_t block_at = 0;
  bool found = false;
  while (stream) {
    // What a canary across two blocks may have left in the first one.
    const std::size_t kept = std::min(block.size(), longest_ - 1);
    block_at += block.size() - kept;
    block.erase(0, block.size() - kept);
    block.resize(kept + kBlockBytes);
    stream.read(block.data() + kept, kBlockBytes);
    block.resize(kept + static_cast<std::size_t>(stream.gcount()));
    result.bytes += block.size() - kept;
    const Hit hit = found ? Hit{} : first_in(block);
    if (hit.canary != nullptr) {
      found = true;
      note(result, fmt::format("{} at {} holds {}", name, block_at + hit.offset, hit.canary->what));
    }
  }
  if (!stream.eof()) {
    result.unfinished.push_back("read " + name);
    return;
  }
  ++result.files;
}

}  // namespace soak::supervisor
