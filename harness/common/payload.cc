// With nonce_evidence.cc the only file that includes xxhash.
#include "harness/common/payload.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numbers>
#include <span>
#include <string>
#include <string_view>

#include <fmt/core.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "harness/common/operation.h"
#include "harness/common/worker_config.h"

namespace soak {
namespace {

constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15ULL;
constexpr std::string_view kTextEnd = "\"}";
constexpr std::string_view kLineEnd = "\\n";  // The escape, two bytes.
constexpr std::size_t kTimeBytes = 12;        // HH:MM:SS.mmm
constexpr std::size_t kLevelBytes = 5;
constexpr std::size_t kOffsetDigits = 10;
constexpr std::size_t kIdDigits = 16;

// Spread of the lognormal distribution: with it one payload in a hundred is 33 times the median.
constexpr double kLognormalSigma = 1.5;
constexpr double kCommandMedianBytes = 160;
constexpr std::uint64_t kCommandBytesMax = 4096;

// Two base64 (URL alphabet) characters for every 12 bits.
constexpr std::array<char, 8192> make_base64_pairs() {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::array<char, 8192> pairs{};
  for (std::size_t i = 0; i < 4096; ++i) {
    pairs[i * 2] = kAlphabet[i >> 6];
    pairs[i * 2 + 1] = kAlphabet[i & 63];
  }
  return pairs;
}
constexpr std::array<char, 8192> kBase64Pairs = make_base64_pairs();

constexpr std::array<std::string_view, 8> kLevels = {"INFO ", "DEBUG", "INFO ", "WARN ",
                                                     "INFO ", "TRACE", "INFO ", "ERROR"};

// Repeated to fill a line; plain ASCII, because lines are cut at any byte of them.
constexpr std::array<std::string_view, 8> kPhrases = {
    "request served from cache, 0 bytes copied; ",
    "linking object into target, symbols resolved; ",
    "retrying after backoff, attempt counted; ",
    "checkpoint written, journal trimmed; ",
    "test passed in worker pool; ",
    "reading plan step, context refreshed from store; ",
    "downloaded package, signature verified, unpacked to scratch; ",
    "loop iteration finished, metrics flushed to collector; "};

// What makes a stream's lines nasty to store: quotes, escapes, control characters, NUL, colour,
// replaced invalid bytes, other scripts. JSON-escaped already.
std::string_view line_start(OperationKind stream) {
  switch (stream) {
    case OperationKind::kCommand:
      return "$ sh -c \\\"make -j2 && ./run\\\" # ";
    case OperationKind::kStdout:
      return "\\\"C:\\\\srv\\\\agent\\\"\\t100% ";
    case OperationKind::kStderr:
      return "\\\\xff\\\\xc0\\ufffd\\u0000\\u001b[1m!\\u001b[0m ";
    case OperationKind::kContext:
      return "Gr\xc3\xbc\xc3\x9f"
             "e, \xe6\xb8\xac\xe8\xa9\xa6, \xce\xa9, \xf0\x9f\x9a\x80 ";
    case OperationKind::kMemory:
      return "na\xc3\xafve caf\xc3\xa9 \\/ \\b\\f\\r\\u2028 \\ud83d\\ude80 ";
    case OperationKind::kRead:
    case OperationKind::kSearch:
    case OperationKind::kDelete:
      return "";
  }
  return "";
}

std::string_view stream_name(OperationKind stream) {
  return kOperationKindNames[static_cast<std::size_t>(stream)];
}

std::uint64_t payload_key(std::uint64_t seed, const AgentConfig& agent, OperationKind stream,
                          std::uint64_t op) {
  const std::uint64_t place =
      (static_cast<std::uint64_t>(agent.index) << 8) | static_cast<std::uint64_t>(stream);
  return mix64(mix64(seed, place), op);
}

void write_base64(std::uint64_t key, std::span<char> out) {
  std::size_t at = 0;
  std::uint64_t counter = key;
  while (at + 10 <= out.size()) {
    const std::uint64_t random = mix64(counter += kGolden);
    for (std::size_t i = 0; i < 5; ++i) {
      std::memcpy(out.data() + at + i * 2, &kBase64Pairs[((random >> (i * 12)) & 4095) * 2], 2);
    }
    at += 10;
  }
  std::uint64_t random = mix64(counter + kGolden);
  for (; at < out.size(); ++at) {
    out[at] = kBase64Pairs[(random & 63) * 2 + 1];
    random >>= 6;
  }
}

void write_digits(std::uint64_t value, std::span<char> out) {
  for (std::size_t i = out.size(); i > 0; --i) {
    out[i - 1] = static_cast<char>('0' + value % 10);
    value /= 10;
  }
}

void write_time(std::uint64_t milliseconds_of_day, char* out) {
  const std::uint64_t seconds = milliseconds_of_day / 1000;
  write_digits(seconds / 3600, std::span(out, 2));
  write_digits(seconds / 60 % 60, std::span(out + 3, 2));
  write_digits(seconds % 60, std::span(out + 6, 2));
  write_digits(milliseconds_of_day % 1000, std::span(out + 9, 3));
}

std::array<std::array<char, PayloadReader::kBlockBytes>, kPhrases.size()> make_phrase_fill() {
  std::array<std::array<char, PayloadReader::kBlockBytes>, kPhrases.size()> fill{};
  for (std::size_t i = 0; i < kPhrases.size(); ++i) {
    for (std::size_t at = 0; at < fill[i].size(); ++at) {
      fill[i][at] = kPhrases[i][at % kPhrases[i].size()];
    }
  }
  return fill;
}

double standard_normal(std::uint64_t key) {
  const double u = 1.0 - unit_double(mix64(key, 1));  // (0, 1]
  const double v = unit_double(mix64(key, 2));
  return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
}

std::uint64_t bounded(double bytes, std::uint64_t low, std::uint64_t high) {
  if (!(bytes < static_cast<double>(high))) {
    return high;
  }
  return std::max(low, static_cast<std::uint64_t>(bytes));
}

}  // namespace

std::uint64_t mix64(std::uint64_t value) {
  value += kGolden;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
  return value ^ (value >> 31);
}

double unit_double(std::uint64_t random) { return static_cast<double>(random >> 11) * 0x1.0p-53; }

std::uint64_t content_hash(std::string_view bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

std::uint64_t payload_size(std::uint64_t seed, const AgentConfig& agent, OperationKind stream,
                           std::uint64_t op) {
  const PayloadDistribution& payload = agent.payload;
  const std::uint64_t high = std::clamp(payload.max_bytes, kPayloadBytesMin, kPayloadBytesMax);
  const std::uint64_t low = std::clamp(payload.min_bytes, kPayloadBytesMin, high);
  const auto median = static_cast<double>(payload.median_bytes);
  if (payload.distribution == "fixed") {
    return bounded(median, low, high);
  }
  const std::uint64_t key = mix64(payload_key(seed, agent, stream, op), 0x517a);
  if (payload.distribution == "uniform") {
    return low + mix64(key) % (high - low + 1);
  }
  const bool is_command = stream == OperationKind::kCommand;
  const double middle = is_command ? std::min(median, kCommandMedianBytes) : median;
  const std::uint64_t top =
      is_command ? std::clamp(high, low, std::max(low, kCommandBytesMax)) : high;
  return bounded(middle * std::exp(kLognormalSigma * standard_normal(key)), low, top);
}

PayloadReader::PayloadReader(std::uint64_t seed, const AgentConfig& agent, OperationKind stream,
                             std::uint64_t op)
    : key_(payload_key(seed, agent, stream, op)),
      op_(op),
      size_(payload_size(seed, agent, stream, op)),
      stream_(stream) {
  const std::string name = fmt::format("{}/{}/{:012}", agent.name, stream_name(stream), op);
  head_ = fmt::format(R"({{"agent":"{}","stream":"{}","op":{},"text":")", agent.name,
                      stream_name(stream), op);
  if (size_ < head_.size() + kTextEnd.size()) {
    build_tiny(name);
    return;
  }
  text_bytes_ = size_ - head_.size() - kTextEnd.size();
  incompressible_ = (stream == OperationKind::kStdout && key_ % 4 == 0) ||
                    (stream == OperationKind::kMemory && key_ % 8 == 0);
  tail_name_ = fmt::format("{} @{:010} ", name, 0);
  if (text_bytes_ >= kBlockBytes) {
    build_block_template(name);
  }
}

// {"d":"<8 random characters>/<name><random>"}, cut where the size says.
void PayloadReader::build_tiny(std::string_view name) {
  constexpr std::string_view kHead = "{\"d\":\"";
  constexpr std::size_t kRandomFirst = 8;
  std::string text(size_ - kHead.size() - kTextEnd.size(), '.');
  write_base64(key_, std::span(text.data(), text.size()));
  if (text.size() > kRandomFirst) {
    const std::string named = fmt::format("/{}", name);
    const std::size_t count = std::min(named.size(), text.size() - kRandomFirst);
    text.replace(kRandomFirst, count, named, 0, count);
  }
  head_ = fmt::format("{}{}{}", kHead, text, kTextEnd);
}

void PayloadReader::build_block_template(std::string_view name) {
  block_ = std::string(kTimeBytes, ':') + " ";
  block_[8] = '.';
  const bool colour = stream_ == OperationKind::kStderr;
  block_ += colour ? "\\u001b[31m" : "";
  level_at_ = block_.size();
  block_ += kLevels[0];
  block_ += colour ? "\\u001b[0m " : " ";
  block_ += fmt::format("{} @", name);
  offset_at_ = block_.size();
  block_ += std::string(kOffsetDigits, '0') + " ";
  block_ += line_start(stream_);
  message_at_ = block_.size();
  block_.resize(kBlockBytes - kLineEnd.size(), ' ');
  block_ += kLineEnd;
}

void PayloadReader::write_block(std::uint64_t block, char* out) const {
  static const auto phrase_fill = make_phrase_fill();
  std::memcpy(out, block_.data(), kBlockBytes);
  const std::uint64_t random = mix64(key_ + block * kGolden);
  write_time((op_ * 1777 + block * 37) % 86'400'000, out);
  std::memcpy(out + level_at_, kLevels[random & 7].data(), kLevelBytes);
  write_digits(head_.size() + block * kBlockBytes, std::span(out + offset_at_, kOffsetDigits));
  const std::span<char> message(out + message_at_, kBlockBytes - kLineEnd.size() - message_at_);
  if (incompressible_) {
    write_base64(random, message);
    return;
  }
  write_base64(random, message.first(kIdDigits));
  message[kIdDigits] = ' ';
  std::memcpy(message.data() + kIdDigits + 1, phrase_fill[(random >> 3) & 7].data(),
              message.size() - kIdDigits - 1);
}

void PayloadReader::write_tail(std::uint64_t block, std::span<char> out) const {
  write_base64(mix64(key_ + block * kGolden), out);
  std::string name = tail_name_;
  write_digits(head_.size() + block * kBlockBytes,
               std::span(name.data() + name.size() - 1 - kOffsetDigits, kOffsetDigits));
  std::memcpy(out.data(), name.data(), std::min(out.size(), name.size()));
}

void PayloadReader::read(std::uint64_t offset, std::span<char> out) const {
  const std::uint64_t text_end = head_.size() + text_bytes_;
  std::array<char, kBlockBytes> scratch;
  while (!out.empty()) {
    std::size_t count = 0;
    if (offset < head_.size()) {
      count = std::min<std::size_t>(out.size(), head_.size() - offset);
      std::memcpy(out.data(), head_.data() + offset, count);
    } else if (offset < text_end) {
      const std::uint64_t block = (offset - head_.size()) / kBlockBytes;
      const std::uint64_t inside = (offset - head_.size()) % kBlockBytes;
      const std::size_t block_bytes =
          std::min<std::uint64_t>(kBlockBytes, text_bytes_ - block * kBlockBytes);
      count = std::min<std::size_t>(out.size(), block_bytes - inside);
      char* const target = count == block_bytes ? out.data() : scratch.data();
      if (block_bytes == kBlockBytes) {
        write_block(block, target);
      } else {
        write_tail(block, std::span(target, block_bytes));
      }
      if (target == scratch.data()) {
        std::memcpy(out.data(), scratch.data() + inside, count);
      }
    } else {
      count = out.size();
      std::memcpy(out.data(), kTextEnd.data() + (offset - text_end), count);
    }
    offset += count;
    out = out.subspan(count);
  }
}

ContentDigest PayloadReader::digest() const {
  constexpr std::size_t kChunkBytes = 16UL << 10;
  std::array<char, kChunkBytes> chunk;
  if (size_ <= kChunkBytes) {
    read(0, std::span(chunk).first(size_));
    return {.length = size_, .hash = XXH3_64bits(chunk.data(), size_)};
  }
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  for (std::uint64_t offset = 0; offset < size_; offset += kChunkBytes) {
    const auto part = std::span(chunk).first(std::min<std::uint64_t>(kChunkBytes, size_ - offset));
    read(offset, part);
    XXH3_64bits_update(&state, part.data(), part.size());
  }
  return {.length = size_, .hash = XXH3_64bits_digest(&state)};
}

void payload_document(std::uint64_t seed, const AgentConfig& agent, OperationKind stream,
                      std::uint64_t op, std::string& out) {
  const PayloadReader reader(seed, agent, stream, op);
  out.resize(reader.size());
  reader.read(0, std::span(out.data(), out.size()));
}

ContentDigest payload_digest(std::uint64_t seed, const AgentConfig& agent, OperationKind stream,
                             std::uint64_t op) {
  return PayloadReader(seed, agent, stream, op).digest();
}

}  // namespace soak
