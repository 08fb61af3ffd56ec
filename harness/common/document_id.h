// Document ids as text: "shell-0/stdout/000000000042" <-> DocumentKey, given the agents' names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "harness/common/operation.h"

namespace soak {

inline constexpr std::size_t kAgentNameBytesMax = 64;

/// 1 .. kAgentNameBytesMax characters of A-Z a-z 0-9 - _ and dot: safe in ids, JSON and file names.
bool is_agent_name(std::string_view name);

/// "<agent>/<stream>/<number>", the number in at least 12 digits so that ids sort by number.
std::string document_id(std::string_view agent_name, OperationKind stream, std::uint64_t number);

/// True for the streams whose documents are written once (command, stdout, stderr).
bool is_appended_stream(OperationKind stream);
/// How many documents an overwritten stream has (context 4, memory 256), numbered from 0.
std::uint64_t overwritten_documents(OperationKind stream);

/// Names of all agents of a run by index. Constant after construction.
class AgentNames {
 public:
  explicit AgentNames(std::vector<std::string> names);
  /// `key.agent` must be an agent of the run.
  [[nodiscard]] std::string id(const DocumentKey& key) const;
  /// nullopt when no agent of this run could have written `id`.
  [[nodiscard]] std::optional<DocumentKey> parse(std::string_view id) const;
  [[nodiscard]] std::size_t size() const { return names_.size(); }
  [[nodiscard]] const std::string& name(std::uint16_t agent) const { return names_[agent]; }

 private:
  std::vector<std::string> names_;
  std::unordered_map<std::string, std::uint16_t> indexes_;
};

}  // namespace soak
