// What agents write: JSON documents whose every byte is a pure function of
// (seed, agent, stream, op, offset), so that any byte range can be checked without a stored copy.
//
// A document is {"agent":..,"stream":..,"op":..,"text":"..."}; the text is a sequence of blocks of
// 256 bytes (one log line each, JSON-escaped), each of which names agent, stream, op and its own
// offset: a misplaced chunk says where it belongs. By stream the lines carry ANSI colour, control
// characters and replaced invalid UTF-8 (all escaped), other scripts, repeating phrases or
// incompressible base64. Below the size of that envelope a document is {"d":"..."}.
//
// The function never changes silently: harness/tests/worker_payload_test.cc holds golden hashes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "harness/common/operation.h"
#include "harness/common/worker_config.h"

namespace soak {

inline constexpr std::uint64_t kPayloadBytesMin = 16;
inline constexpr std::uint64_t kPayloadBytesMax = 32ULL << 20;

/// Length and XXH3-64 of a document's bytes: all that reads report and the oracle compares.
struct ContentDigest {
  std::uint64_t length = 0;
  std::uint64_t hash = 0;
  friend bool operator==(const ContentDigest&, const ContentDigest&) = default;
};

/// Bytes of the JSON document that `agent` writes to `stream` as its write number `op`. Follows
/// agent.payload; with "lognormal" commands stay short (one line), however large captures are.
std::uint64_t payload_size(std::uint64_t seed, const AgentConfig& agent, OperationKind stream,
                           std::uint64_t op);

/// The document's text in `out` (replaced; its capacity is reused).
void payload_document(std::uint64_t seed, const AgentConfig& agent, OperationKind stream,
                      std::uint64_t op, std::string& out);

/// One document, any range of it. Borrows nothing.
class PayloadReader {
 public:
  PayloadReader(std::uint64_t seed, const AgentConfig& agent, OperationKind stream,
                std::uint64_t op);
  [[nodiscard]] std::uint64_t size() const { return size_; }
  /// Fills `out` with the bytes from `offset`; offset + out.size() must not be beyond size().
  void read(std::uint64_t offset, std::span<char> out) const;
  [[nodiscard]] ContentDigest digest() const;

  static constexpr std::size_t kBlockBytes = 256;

 private:
  void write_block(std::uint64_t block, char* out) const;
  void write_tail(std::uint64_t block, std::span<char> out) const;
  void build_tiny(std::string_view name);
  void build_block_template(std::string_view name);

  std::uint64_t key_ = 0;
  std::uint64_t op_ = 0;
  std::uint64_t size_ = 0;
  std::uint64_t text_bytes_ = 0;
  OperationKind stream_ = OperationKind::kCommand;
  bool incompressible_ = false;
  std::string head_;          ///< Up to the quote that opens the text; tiny: everything.
  std::string tail_name_;     ///< What names a partial last block.
  std::string block_;         ///< Template of one block.
  std::size_t level_at_ = 0;  ///< Positions in a block that differ from line to line.
  std::size_t offset_at_ = 0;
  std::size_t message_at_ = 0;
};

ContentDigest payload_digest(std::uint64_t seed, const AgentConfig& agent, OperationKind stream,
                             std::uint64_t op);

/// XXH3-64.
std::uint64_t content_hash(std::string_view bytes);

/// Counter-based random numbers: a pure function, no state.
std::uint64_t mix64(std::uint64_t value);
inline std::uint64_t mix64(std::uint64_t a, std::uint64_t b) { return mix64(a ^ mix64(b)); }
/// Uniform in [0, 1).
double unit_double(std::uint64_t random);

}  // namespace soak
