// What callers of the public API may pass: options, actors, ids. Everything here is
// kInvalidArgument.
#pragma once

#include <string>
#include <string_view>

#include "engine/base/clock.h"
#include "engine/io/file_system.h"
#include <pluresdb/error.h>
#include <pluresdb/options.h>

namespace pluresdb::core {

Status check_options(const EngineOptions& options);
/// 1 .. kActorBytesMax bytes.
Status check_actor(std::string_view actor);
/// 1 .. kDocumentIdBytesMax bytes, no NUL (list() pages with it).
Status check_document_id(std::string_view id);
Status check_value_bytes(std::string_view value, const EngineOptions& options);

/// What is at `directory`, or would be: refused on a network or FUSE file system, unless the
/// options allow it (D12). Also asked for the parts of a store, which may be mounts of their own.
Status check_file_system(const std::string& directory, const EngineOptions& options);

/// The ones of the options, or the system's.
io::FileSystem& file_system_of(const EngineOptions& options);
Clock& clock_of(const EngineOptions& options);

}  // namespace pluresdb::core
