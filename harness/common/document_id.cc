#include "harness/common/document_id.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include "harness/common/operation.h"

namespace soak {
namespace {

constexpr std::size_t kNumberDigits = 12;
constexpr std::uint64_t kContextDocuments = 4;
constexpr std::uint64_t kMemoryDocuments = 256;

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.';
}

std::optional<OperationKind> stream_of(std::string_view name) {
  for (std::size_t i = 0; i < kOperationKindCount; ++i) {
    const auto kind = static_cast<OperationKind>(i);
    if (kOperationKindNames[i] == name &&
        (is_appended_stream(kind) || overwritten_documents(kind) > 0)) {
      return kind;
    }
  }
  return std::nullopt;
}

std::optional<std::uint64_t> number_of(std::string_view digits) {
  // Only the canonical spelling: an id that differs in zeros is another document.
  if (digits.size() < kNumberDigits || (digits.size() > kNumberDigits && digits.front() == '0')) {
    return std::nullopt;
  }
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc{} || end != digits.data() + digits.size()) {
    return std::nullopt;
  }
  return number;
}

}  // namespace

bool is_agent_name(std::string_view name) {
  return !name.empty() && name.size() <= kAgentNameBytesMax &&
         std::all_of(name.begin(), name.end(), is_name_character);
}

std::string document_id(std::string_view agent_name, OperationKind stream, std::uint64_t number) {
  return fmt::format("{}/{}/{:012}", agent_name,
                     kOperationKindNames[static_cast<std::size_t>(stream)], number);
}

bool is_appended_stream(OperationKind stream) {
  return stream == OperationKind::kCommand || stream == OperationKind::kStdout ||
         stream == OperationKind::kStderr;
}

std::uint64_t overwritten_documents(OperationKind stream) {
  if (stream == OperationKind::kContext) {
    return kContextDocuments;
  }
  return stream == OperationKind::kMemory ? kMemoryDocuments : 0;
}

AgentNames::AgentNames(std::vector<std::string> names) : names_(std::move(names)) {
  for (std::size_t i = 0; i < names_.size(); ++i) {
    indexes_.emplace(names_[i], static_cast<std::uint16_t>(i));
  }
}

std::string AgentNames::id(const DocumentKey& key) const {
  return document_id(names_[key.agent], key.stream, key.number);
}

std::optional<DocumentKey> AgentNames::parse(std::string_view id) const {
  const std::size_t first = id.find('/');
  const std::size_t second = first == std::string_view::npos ? first : id.find('/', first + 1);
  if (second == std::string_view::npos) {
    return std::nullopt;
  }
  const auto agent = indexes_.find(std::string(id.substr(0, first)));
  const auto stream = stream_of(id.substr(first + 1, second - first - 1));
  const auto number = number_of(id.substr(second + 1));
  if (agent == indexes_.end() || !stream || !number) {
    return std::nullopt;
  }
  return DocumentKey{.agent = agent->second, .stream = *stream, .number = *number};
}

}  // namespace soak
