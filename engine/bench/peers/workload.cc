// See workload.h.
#include "engine/bench/peers/workload.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "engine/base/check.h"
#include "engine/bench/peers/peer.h"

namespace pluresdb::bench {
namespace {

constexpr std::size_t kNumberDigits = 12;
constexpr std::size_t kKeyPrefixBytes = sizeof("writer-00/") - 1;
constexpr std::string_view kValueStart = R"({"number":")";
constexpr std::string_view kValueMiddle = R"(","kind":"stdout","text":")";
constexpr std::string_view kValueEnd = R"("})";
static_assert(kValueStart.size() + kNumberDigits + kValueMiddle.size() + kValueEnd.size() <
              Workload::kValueBytesMin);
constexpr std::uint64_t kVariantsMax = 16;
/// Bounds what the values of all writers take: it is part of every peer's resident memory.
constexpr std::uint64_t kValuesBytesMax = 16ULL << 20;

constexpr std::array<std::string_view, 40> kWords = {
    "running", "tests",   "passed",    "failed",    "warning", "error:",   "at",      "line",
    "src/",    "main.cc", "undefined", "reference", "to",      "compile",  "linking", "target",
    "memory",  "agent",   "the",       "user",      "asked",   "for",      "a",       "summary",
    "of",      "commit",  "branch",    "merged",    "with",    "conflict", "in",      "file",
    "0x7ffe",  "4096",    "bytes",     "read",      "from",    "socket",   "timeout", "retry"};

/// Words from a fixed generator, so that each run writes the same bytes.
std::string text_of(std::size_t bytes, std::uint64_t seed) {
  std::string text;
  text.reserve(bytes + 16);
  std::uint64_t state = seed * 0x9e3779b97f4a7c15ULL + 1;
  while (text.size() < bytes) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    const std::uint64_t random = state >> 33U;
    text += kWords[random % kWords.size()];
    text += ' ';
    if (random % 7 == 0) {
      text += std::to_string(random % 100'000) + ' ';
    }
  }
  text.resize(bytes);
  return text;
}

/// In place, because a value may be large.
void write_number(std::span<char, kNumberDigits> digits, std::uint64_t number) {
  for (std::size_t index = kNumberDigits; index-- > 0;) {
    digits[index] = static_cast<char>('0' + number % 10);
    number /= 10;
  }
}

}  // namespace

Workload::Workload(std::size_t value_bytes, unsigned writers) {
  DB_CHECK(value_bytes >= kValueBytesMin);
  const std::uint64_t variants =
      std::clamp(kValuesBytesMax / (value_bytes * writers), std::uint64_t{1}, kVariantsMax);
  const std::size_t fixed =
      kValueStart.size() + kNumberDigits + kValueMiddle.size() + kValueEnd.size();
  for (unsigned writer = 0; writer < writers; ++writer) {
    Writer made{.key = fmt::format("writer-{:02}/{:012}", writer, 0), .values = {}};
    for (std::uint64_t variant = 0; variant < variants; ++variant) {
      std::string value;
      value.reserve(value_bytes);
      value += kValueStart;
      value.append(kNumberDigits, '0');
      value += kValueMiddle;
      value += text_of(value_bytes - fixed, writer * kVariantsMax + variant);
      value += kValueEnd;
      made.values.push_back(std::move(value));
    }
    writers_.push_back(std::move(made));
  }
}

KeyValue Workload::pair(unsigned writer, std::uint64_t number) {
  Writer& from = writers_[writer];
  std::string& value = from.values[number % from.values.size()];
  write_number(std::span(from.key).subspan<kKeyPrefixBytes, kNumberDigits>(), number);
  write_number(std::span<char, kNumberDigits>(value.data() + kValueStart.size(), kNumberDigits),
               number);
  return {.key = from.key, .value = value};
}

OwnedPair Workload::owned_pair(unsigned writer, std::uint64_t number) {
  const KeyValue view = pair(writer, number);
  return {.key = std::string(view.key), .value = std::string(view.value)};
}

std::vector<OwnedPair> Workload::samples(unsigned writer, std::uint64_t count) {
  std::vector<OwnedPair> chosen;
  if (count == 0) {
    return chosen;
  }
  std::vector<std::uint64_t> numbers = {0, count / 3, count * 2 / 3, count - 1};
  numbers.erase(std::ranges::unique(numbers).begin(), numbers.end());
  for (const std::uint64_t number : numbers) {
    chosen.push_back(owned_pair(writer, number));
  }
  return chosen;
}

}  // namespace pluresdb::bench
