#include "engine/core/arguments.h"

#include <cstdint>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "engine/base/clock.h"
#include "engine/io/file_system.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/options.h>

namespace pluresdb::core {
namespace {

constexpr std::uint64_t kSegmentBytesMin = 64ULL << 10;
constexpr std::uint64_t kSegmentBytesMax = 4ULL << 30;
/// A group, with the value in it, is built in memory and is at most 1 GiB.
constexpr std::uint64_t kValueBytesMax = 512ULL << 20;

Status check_range(const char* name, std::uint64_t value, std::uint64_t least,
                   std::uint64_t greatest) {
  if (value < least || value > greatest) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} is {}; it must be {} .. {}", name, value, least, greatest));
  }
  return {};
}

}  // namespace

Status check_options(const EngineOptions& options) {
  TRY(check_range("segment_bytes", options.segment_bytes, kSegmentBytesMin, kSegmentBytesMax));
  TRY(check_range("value_bytes_max", options.value_bytes_max, 1, kValueBytesMax));
  TRY(check_range("large_value_bytes", options.large_value_bytes, 1, kValueBytesMax));
  return check_range("dirty_bytes_max", options.dirty_bytes_max, 1, ~0ULL);
}

Status check_actor(std::string_view actor) {
  if (actor.empty() || actor.size() > kActorBytesMax) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("the actor's name has {} bytes; it must have 1 .. {}", actor.size(),
                            kActorBytesMax));
  }
  return {};
}

Status check_document_id(std::string_view id) {
  if (id.empty() || id.size() > kDocumentIdBytesMax) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("the document id has {} bytes; it must have 1 .. {}", id.size(),
                            kDocumentIdBytesMax));
  }
  if (id.contains('\0')) {
    return fail(ErrorCode::kInvalidArgument, "the document id contains a NUL byte");
  }
  return {};
}

Status check_value_bytes(std::string_view value, const EngineOptions& options) {
  if (value.size() > options.value_bytes_max) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("the value has {} bytes; at most {} are "
                                                         "accepted (value_bytes_max)",
                                                         value.size(), options.value_bytes_max));
  }
  return {};
}

Status check_file_system(const std::string& directory, const EngineOptions& options) {
  if (options.allow_shared_file_system) {
    return {};
  }
  io::FileSystem& files = file_system_of(options);
  const auto info = files.info(directory);
  if (!info && info.error().code != ErrorCode::kNotFound) {
    return std::unexpected(info.error());
  }
  const auto space = files.space(info ? directory : io::parent_path(directory));
  if (!space) {
    // Where the parent is missing too, creating the directory says so.
    return space.error().code == ErrorCode::kNotFound ? Status{} : std::unexpected(space.error());
  }
  if (space->shared_type != nullptr) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} is on a network or FUSE file system ({}), which need not keep what "
                            "it has synced or locked; allow_shared_file_system overrides this",
                            directory, space->shared_type));
  }
  return {};
}

io::FileSystem& file_system_of(const EngineOptions& options) {
  return options.file_system != nullptr ? *options.file_system : io::posix_file_system();
}

Clock& clock_of(const EngineOptions& options) {
  return options.clock != nullptr ? *options.clock : system_clock();
}

}  // namespace pluresdb::core
