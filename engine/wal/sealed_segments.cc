#include "engine/wal/sealed_segments.h"

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/crypto/file_key.h"
#include "engine/crypto/master_keys.h"
#include "engine/crypto/sealed_file.h"
#include "engine/io/file_system.h"
#include "engine/wal/segment_access.h"
#include "engine/wal/segment_format.h"
#include <pluresdb/error.h>

namespace pluresdb::wal {
namespace {

/// A file without a header is sealed as far as anybody knows, or is not sealed.
enum class Headerless : bool { kUnknown, kNotSealed };

/// Absent: it is gone, or not sealed.
Result<std::optional<crypto::SealedFile>> look_at(io::FileSystem& files, const std::string& path,
                                                  std::uint64_t id, const crypto::MasterKeys& keys,
                                                  Headerless headerless) {
  const auto file = files.open(path, io::OpenMode::kRead);
  if (!file && file.error().code == ErrorCode::kNotFound) {
    return std::nullopt;
  }
  if (!file) {
    return std::unexpected(file.error());
  }
  crypto::SealedFile sealed{.path = path, .problem = "its header is damaged"};
  TRY_ASSIGN(sealed.bytes, (*file)->size());
  const auto opened = open_header(**file, id, path, &keys);
  if (!opened && opened.error().code == ErrorCode::kIo) {
    return std::unexpected(opened.error());
  }
  if (!opened) {
    sealed.problem = opened.error().context;
    return sealed;
  }
  const std::optional<SegmentHeader>& header = opened->header;
  const std::optional<crypto::Envelope> envelope = header ? header->envelope : std::nullopt;
  if (envelope) {
    TRY_ASSIGN(const auto version, crypto::version_of(*envelope));
    sealed.generation = version.generation;
    sealed.problem.clear();
    return sealed;
  }
  return headerless == Headerless::kUnknown ? std::optional(sealed) : std::nullopt;
}

Result<std::vector<std::string>> names_in(io::FileSystem& files, const std::string& directory) {
  auto names = files.list(directory);
  if (!names && names.error().code == ErrorCode::kNotFound) {
    return std::vector<std::string>{};
  }
  return names;
}

}  // namespace

Result<std::vector<crypto::SealedFile>> sealed_segments(io::FileSystem& files,
                                                        const std::string& directory,
                                                        const crypto::MasterKeys& keys) {
  std::vector<crypto::SealedFile> found;
  TRY_ASSIGN(const auto names, names_in(files, directory));
  for (const std::string& name : names) {
    const ParsedName parsed = parse_name(name);
    if (parsed.file_class == FileClass::kForeign) {
      continue;
    }
    // A temporary file that has no header yet holds nothing.
    const auto headerless =
        parsed.file_class == FileClass::kSegment ? Headerless::kUnknown : Headerless::kNotSealed;
    TRY_ASSIGN(const auto file,
               look_at(files, io::join_path(directory, name), parsed.id, keys, headerless));
    if (file) {
      found.push_back(*file);
    }
  }
  return found;
}

Result<std::vector<crypto::SealedFile>> sealed_quarantine(io::FileSystem& files,
                                                          const std::string& directory,
                                                          const crypto::MasterKeys& keys) {
  std::vector<crypto::SealedFile> found;
  TRY_ASSIGN(const auto names, names_in(files, directory));
  for (const std::string& name : names) {
    TRY_ASSIGN(const auto file,
               look_at(files, io::join_path(directory, name), 0, keys, Headerless::kNotSealed));
    if (file) {
      found.push_back(*file);
    }
  }
  return found;
}

}  // namespace pluresdb::wal
