// The vocabulary that supervisor, worker, oracle and report share: what an agent does.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace soak {

enum class OperationKind : std::uint8_t {
  kCommand,  ///< Append: one command line the agent ran.
  kStdout,   ///< Append: a capture, log-like, up to the largest payload.
  kStderr,   ///< Append: a capture with ANSI colour and invalid UTF-8 (escaped).
  kContext,  ///< Overwrites one of a few documents.
  kMemory,   ///< Overwrites one of many documents.
  kRead,     ///< Reads a document the agent wrote and checks every byte.
  kSearch,
  kDelete,  ///< Deletes one of the agent's own documents.
};
inline constexpr std::size_t kOperationKindCount = 8;
inline constexpr std::array<std::string_view, kOperationKindCount> kOperationKindNames = {
    "command", "stdout", "stderr", "context", "memory", "read", "search", "delete"};

enum class Outcome : std::uint8_t {
  kAcknowledged,
  kNotWritten,  ///< Refused: certainly not in the store.
  kMaybe,       ///< Error or crash: may or may not be in the store.
  kFailed,      ///< A read that returned an error.
};
inline constexpr std::size_t kOutcomeCount = 4;
inline constexpr std::array<std::string_view, kOutcomeCount> kOutcomeNames = {
    "acknowledged", "not_written", "maybe", "failed"};

/// Names a document: which agent owns it, in which of its streams (the kind that writes it), which
/// number. Only its own agent ever writes it. id: "shell-0/stdout/000000000042".
struct DocumentKey {
  std::uint16_t agent = 0;  ///< Index over all agents of the run.
  OperationKind stream = OperationKind::kCommand;
  std::uint64_t number = 0;
  friend auto operator<=>(const DocumentKey&, const DocumentKey&) = default;
};

}  // namespace soak
