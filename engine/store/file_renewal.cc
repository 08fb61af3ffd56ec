#include "engine/store/file_renewal.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/crypto/file_key.h"
#include "engine/crypto/master_keys.h"
#include "engine/crypto/sealed_file.h"
#include "engine/io/file_system.h"
#include "engine/store/file_contents.h"
#include "engine/store/sealed_format.h"
#include <pluresdb/error.h>

namespace pluresdb::store {
namespace {

constexpr std::string_view kLockName = "LOCK";
/// RocksDB writes CURRENT and OPTIONS under such names, syncs them, and renames them.
constexpr std::string_view kUnfinishedSuffix = ".dbtmp";
constexpr std::size_t kCopyStepBytes = 1 << 20;
/// One for each kind of file: the kind is part of what a file's key is bound to.
constexpr const char* kTableRenewal = "renewed.sst";
constexpr const char* kManifestRenewal = "MANIFEST-renewed";
constexpr const char* kLogRenewal = "renewed.log";
constexpr const char* kOtherRenewal = "renewed";
constexpr std::array kRenewals = {kTableRenewal, kManifestRenewal, kLogRenewal, kOtherRenewal};

const char* renewal_name(FileKind kind) {
  switch (kind) {
    case FileKind::kTable:
      return kTableRenewal;
    case FileKind::kManifest:
      return kManifestRenewal;
    case FileKind::kLog:
      return kLogRenewal;
    case FileKind::kOther:
      return kOtherRenewal;
  }
  return kOtherRenewal;
}

Status remove_if_present(io::FileSystem& files, const std::string& path) {
  Status removed = files.remove(path);
  return !removed && removed.error().code == ErrorCode::kNotFound ? Status{} : removed;
}

/// Absent: the file has no contents, or is gone.
Result<std::optional<FileHeader>> header_of(io::FileSystem& files, const std::string& path) {
  TRY_ASSIGN(const auto file, files.open(path, io::OpenMode::kRead));
  FileHeader start{};
  TRY_ASSIGN(const std::size_t count, file->read(0, start));
  return decode_file_header(base::ByteSpan(start).first(count), path);
}

/// Of what a stream holds, to its end.
struct Contents {
  std::uint64_t bytes = 0;
  std::uint32_t crc = 0;
  friend bool operator==(const Contents&, const Contents&) = default;
};

/// Reads everything; `take` gets it piece by piece.
template <typename Take>
Result<Contents> read_through(FileContents& contents, const std::string& path, const Take& take) {
  TRY_ASSIGN(const auto stream, contents.open_stream(path));
  std::vector<std::byte> buffer(kCopyStepBytes);
  Contents read;
  while (true) {
    TRY_ASSIGN(const std::size_t count, stream->read(buffer));
    if (count == 0) {
      return read;
    }
    const auto piece = base::ByteSpan(buffer).first(count);
    read.bytes += count;
    read.crc = base::crc32c(piece, read.crc);
    TRY(take(piece));
  }
}

Status copy_and_verify(FileContents& contents, const std::string& path, const std::string& copy,
                       const CopyProgress& progress) {
  // A stream takes a torn end for the end; a table has none.
  TRY_ASSIGN(const std::uint64_t plain_bytes, contents.size_of(path));
  TRY_ASSIGN(const auto appender, contents.create(copy));
  TRY_ASSIGN(const Contents written,
             read_through(contents, path, [&](base::ByteSpan piece) -> Status {
               TRY(appender->append(piece));
               TRY(appender->sync_most());
               return progress(piece.size());
             }));
  TRY(appender->sync_all());
  TRY(appender->close());
  if (written.bytes != plain_bytes) {
    return fail(ErrorCode::kCorruption, path + " ends before its size says");
  }
  TRY_ASSIGN(const Contents read_back,
             read_through(contents, copy, [](base::ByteSpan) { return Status{}; }));
  if (read_back != written) {
    return fail(ErrorCode::kCorruption, copy + " does not read back as written");
  }
  return {};
}

}  // namespace

Result<std::vector<crypto::SealedFile>> sealed_files(io::FileSystem& files,
                                                     const std::string& directory,
                                                     const crypto::MasterKeys& keys) {
  std::vector<crypto::SealedFile> found;
  TRY_ASSIGN(const auto names, files.list(directory));
  for (const std::string& name : names) {
    crypto::SealedFile sealed{.path = io::join_path(directory, name), .problem = {}};
    const auto header = header_of(files, sealed.path);
    if (name == kLockName || (!header && header.error().code == ErrorCode::kNotFound)) {
      continue;  // Or it is gone by now.
    }
    if (!header && header.error().code == ErrorCode::kIo) {
      return std::unexpected(header.error());
    }
    // Nothing has its contents there yet; a power loss leaves such files with bytes of any kind.
    const bool is_cut_off = !header && name.ends_with(kUnfinishedSuffix);
    const std::optional<FileHeader> whole = header ? *header : std::nullopt;
    if ((header && !whole) || is_cut_off) {
      continue;  // No contents.
    }
    const auto info = files.info(sealed.path);
    sealed.bytes = info ? info->size_bytes : 0;
    const auto key = whole ? crypto::open_file_key(keys, envelope_part(*whole), fixed_part(*whole))
                           : std::unexpected(header.error());
    if (key && whole) {
      TRY_ASSIGN(const auto version, crypto::version_of(envelope_part(*whole)));
      sealed.generation = version.generation;
    } else {
      sealed.problem = key.error().context;
    }
    found.push_back(std::move(sealed));
  }
  return found;
}

std::string renewal_path(const std::string& path) {
  return io::join_path(io::parent_path(path), renewal_name(kind_of(path)));
}

Status remove_renewal_leftovers(io::FileSystem& files, const std::string& directory) {
  for (const char* name : kRenewals) {
    TRY(remove_if_present(files, io::join_path(directory, name)));
  }
  return {};
}

Result<FileHeader> copy_under_new_key(io::FileSystem& files, FileContents& contents,
                                      const std::string& path, const CopyProgress& progress) {
  TRY_ASSIGN(const auto header, header_of(files, path));
  if (!header) {
    return fail(ErrorCode::kNotFound, path + " has no contents");
  }
  const std::string copy = renewal_path(path);
  if (Status made = copy_and_verify(contents, path, copy, progress); !made) {
    (void)files.remove(copy);  // Else the next copy of its kind, or the next opening, does it.
    return std::unexpected(std::move(made).error());
  }
  return *header;
}

Result<bool> has_header(io::FileSystem& files, const std::string& path, const FileHeader& header) {
  const auto found = header_of(files, path);
  if (!found && found.error().code == ErrorCode::kNotFound) {
    return false;
  }
  TRY(found);
  return *found == header;
}

Status renew_registry(io::FileSystem& files, const std::string& directory,
                      const crypto::MasterKeys& keys) {
  const auto contents = make_sealed_contents(files, keys);
  TRY_ASSIGN(const auto found, sealed_files(files, directory, keys));
  for (const crypto::SealedFile& file : found) {
    if (kind_of(file.path) == FileKind::kTable || file.generation == 0 ||
        file.generation == keys.version().generation) {
      continue;
    }
    const auto header =
        copy_under_new_key(files, *contents, file.path, [](std::uint64_t) { return Status{}; });
    if (!header && header.error().code == ErrorCode::kCorruption) {
      continue;
    }
    TRY(header);
    TRY(files.rename(renewal_path(file.path), file.path));
  }
  return files.sync_directory(directory);
}

}  // namespace pluresdb::store
