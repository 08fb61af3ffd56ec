#include "harness/supervisor/verification.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "harness/common/operation.h"
#include "harness/common/shared_region.h"
#include "harness/common/worker_protocol.h"
#include "harness/oracle/oracle.h"
#include "harness/supervisor/loop.h"
#include <pluresdb/error.h>

namespace soak::supervisor {
namespace {

// Of silence: neither a record nor a reply.
constexpr double kStallSeconds = 120;

/// The sink is in place for one command sequence only.
class SinkScope {
 public:
  SinkScope(Loop& loop, std::function<void(const LedgerRecord&)> sink) : loop_(loop) {
    loop_.set_verify_sink(std::move(sink));
  }
  ~SinkScope() { loop_.set_verify_sink({}); }
  SinkScope(const SinkScope&) = delete;
  SinkScope& operator=(const SinkScope&) = delete;
  SinkScope(SinkScope&&) = delete;
  SinkScope& operator=(SinkScope&&) = delete;

 private:
  Loop& loop_;
};

Trouble wrong_count(const char* what, std::uint64_t asked, std::uint64_t seen) {
  return {TroubleKind::kRefused,
          fmt::format("{}: the worker says {} documents, {} records came", what, asked, seen)};
}

}  // namespace

Attempt<std::uint64_t> verify_keys(Loop& loop, oracle::Oracle& oracle,
                                   const std::vector<DocumentKey>& keys) {
  std::uint64_t seen = 0;
  const SinkScope scope(loop, [&](const LedgerRecord& record) {
    ++seen;
    oracle.verify(record);
  });
  const std::span<const DocumentKey> all(keys);
  for (std::size_t first = 0; first < all.size(); first += kKeysPerPacketMax) {
    const auto part = all.subspan(first, std::min(kKeysPerPacketMax, all.size() - first));
    ControlPacket packet{.type = CommandType::kVerify};
    packet.count = static_cast<std::uint32_t>(part.size());
    std::copy(part.begin(), part.end(), packet.keys.begin());
    if (auto reply = loop.command(packet, kStallSeconds); !reply.has_value()) {
      return std::unexpected(std::move(reply).error());
    }
  }
  if (seen != keys.size()) {
    return std::unexpected(wrong_count("verify", keys.size(), seen));
  }
  return seen;
}

Attempt<Scan> full_scan(Loop& loop, oracle::Oracle& oracle) {
  std::uint64_t seen = 0;
  oracle.begin_scan();
  const auto reply = [&] {
    const SinkScope scope(loop, [&](const LedgerRecord& record) {
      ++seen;
      const bool alien = (record.flags & LedgerRecord::kAlien) != 0;
      oracle.scan_entry(record, alien ? alien_id(record) : std::string());
    });
    return loop.command({.type = CommandType::kScan}, kStallSeconds);
  }();
  if (!reply.has_value()) {
    if (reply.error().kind != TroubleKind::kRefused) {
      return std::unexpected(reply.error());
    }
    const auto verified = verify_keys(loop, oracle, oracle.known_keys());
    if (!verified.has_value()) {
      return std::unexpected(verified.error());
    }
    loop.turn(0);
    return Scan{.documents = *verified,
                .refusal = reply.error().text,
                .refused_as_corrupt = reply.error().is(pluresdb::ErrorCode::kCorruption)};
  }
  if (reply->value != seen) {
    return std::unexpected(wrong_count("scan", reply->value, seen));
  }
  oracle.end_scan();
  loop.turn(0);
  return Scan{.documents = seen};
}

}  // namespace soak::supervisor
