#include "harness/supervisor/canaries.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "harness/common/document_id.h"
#include "harness/common/payload.h"
#include "harness/common/store_key.h"
#include "harness/common/worker_config.h"
#include "harness/oracle/oracle.h"
#include "harness/supervisor/plaintext_search.h"

namespace soak::supervisor {
namespace {

constexpr std::uint64_t kSampledDocuments = 32;
constexpr std::size_t kStretchBytes = 32;
constexpr std::size_t kHeadBytes = 10;  // {"agent":" of all but the smallest documents.

/// "shell-0/stdout/" of all ids that begin so.
std::string beginning_of(const std::string& id) { return id.substr(0, id.rfind('/') + 1); }

class Collector {
 public:
  void add(std::string what, std::string bytes) {
    if (bytes.size() >= CanarySearch::kCanaryBytesMin && known_.insert(bytes).second) {
      canaries_.push_back({.what = std::move(what), .bytes = std::move(bytes)});
    }
  }
  std::vector<Canary> take() { return std::move(canaries_); }

 private:
  std::set<std::string> known_;
  std::vector<Canary> canaries_;
};

void add_content(const PayloadReader& document, const std::string& id, std::uint64_t random,
                 Collector& collector) {
  std::string head(std::min<std::uint64_t>(kHeadBytes, document.size()), '\0');
  document.read(0, std::span(head.data(), head.size()));
  collector.add("the beginning of a document", std::move(head));
  std::string stretch(std::min<std::uint64_t>(kStretchBytes, document.size()), '\0');
  const std::uint64_t offset = random % (document.size() - stretch.size() + 1);
  document.read(offset, std::span(stretch.data(), stretch.size()));
  collector.add(fmt::format("what is at {} of {}", offset, id), std::move(stretch));
}

void add_key(std::uint64_t seed, Collector& collector) {
  const StoreKey key = store_key(seed);
  std::string bytes(key.size(), '\0');
  std::memcpy(bytes.data(), key.data(), key.size());
  collector.add("the store's key", std::move(bytes));
  collector.add("the store's key in hexadecimal digits", store_key_text(seed));
}

}  // namespace

std::vector<Canary> canaries_of(std::uint64_t seed, const std::vector<AgentConfig>& agents,
                                const oracle::Oracle& oracle) {
  const std::vector<oracle::LiveWrite> writes = oracle.live_writes();
  Collector collector;
  if (writes.empty()) {
    return {};
  }
  const auto stream_of = [](const oracle::LiveWrite& write) {
    return std::pair(write.key.agent, write.key.stream);
  };
  for (std::size_t i = 0; i < writes.size(); ++i) {
    const oracle::LiveWrite& write = writes[i];
    if (i > 0 && stream_of(write) == stream_of(writes[i - 1])) {
      continue;
    }
    const std::string& actor = agents[write.key.agent].name;
    const std::string ids = beginning_of(document_id(actor, write.key.stream, write.key.number));
    collector.add("the beginning of ids " + ids, ids);
    collector.add("the actor " + actor, actor);
  }
  for (std::uint64_t i = 0; i < kSampledDocuments; ++i) {
    const std::uint64_t random = mix64(seed, i);
    const oracle::LiveWrite& write = writes[random % writes.size()];
    const AgentConfig& agent = agents[write.key.agent];
    const PayloadReader document(seed, agent, write.key.stream, write.op);
    add_content(document, document_id(agent.name, write.key.stream, write.key.number),
                mix64(random), collector);
  }
  add_key(seed, collector);
  return collector.take();
}

PlaintextSearch search_for_plaintext(const std::filesystem::path& folder, std::uint64_t seed,
                                     const std::vector<AgentConfig>& agents,
                                     const oracle::Oracle& oracle) {
  std::vector<Canary> canaries = canaries_of(seed, agents, oracle);
  return canaries.empty() ? PlaintextSearch{} : CanarySearch(std::move(canaries)).search(folder);
}

}  // namespace soak::supervisor
