// What agents run against: the engine under test, or a control engine that the same scenario must
// leave green (D17).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <pluresdb/error.h>
#include <pluresdb/stats.h>

namespace soak::worker {

/// A store of JSON documents by id. Errors mean what they mean in <pluresdb/engine.h>. Thread: any.
class Target {
 public:
  virtual ~Target() = default;
  /// Returns the store's number of the write (0 when it has none).
  virtual pluresdb::Result<std::uint64_t> put(std::string_view actor, std::string_view id,
                                              std::string_view json) = 0;
  virtual pluresdb::Result<std::uint64_t> erase(std::string_view actor, std::string_view id) = 0;
  virtual pluresdb::Result<std::optional<std::string>> get(std::string_view id) = 0;
  /// Calls `visit` for every document in order of ids; stops early when it returns false. `json`:
  /// kCorruption of a document that is there and that the store refuses to read.
  using Json = pluresdb::Result<std::string_view>;
  using Visit = std::function<bool(std::string_view id, const Json& json)>;
  virtual pluresdb::Status scan(const Visit& visit) = 0;
  virtual pluresdb::Result<std::uint64_t> checkpoint() = 0;
  /// What the store has no number for stays zero.
  virtual pluresdb::EngineStats stats() = 0;
  virtual pluresdb::RecoveryReport recovery() = 0;
  virtual pluresdb::Status close() = 0;
};

}  // namespace soak::worker
