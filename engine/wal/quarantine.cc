#include "engine/wal/quarantine.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "engine/base/bytes.h"
#include "engine/io/file_system.h"
#include "engine/wal/segment_scan.h"
#include <pluresdb/error.h>

namespace pluresdb::wal {
namespace {

constexpr std::uint64_t kQuarantineCopyBytes = 1ULL << 20;

Status copy_bytes(io::FileSystem& files, const std::string& from_path, DamagedBytes range,
                  const std::string& to_path) {
  TRY_ASSIGN(const std::unique_ptr<io::File> from, files.open(from_path, io::OpenMode::kRead));
  TRY_ASSIGN(const std::unique_ptr<io::File> to, files.open(to_path, io::OpenMode::kCreateOrEmpty));
  std::vector<std::byte> buffer(std::min(kQuarantineCopyBytes, range.end - range.begin));
  for (std::uint64_t offset = range.begin; offset < range.end;) {
    const std::uint64_t wanted = std::min<std::uint64_t>(buffer.size(), range.end - offset);
    TRY_ASSIGN(const std::size_t count,
               from->read(offset, base::MutableByteSpan(buffer).first(wanted)));
    if (count == 0) {
      break;
    }
    TRY(to->write(offset - range.begin, base::ByteSpan(buffer).first(count)));
    offset += count;
  }
  return to->sync_all();
}

}  // namespace

Result<std::uint64_t> quarantine_bytes(io::FileSystem& files, const std::string& directory,
                                       const std::string& segment_path, DamagedBytes damage,
                                       std::uint64_t file_bytes) {
  damage.end = std::min(damage.end, file_bytes);
  if (directory.empty() || damage.begin >= damage.end) {
    return std::uint64_t{0};
  }
  const std::uint64_t damaged_bytes = damage.end - damage.begin;
  const std::string path =
      io::join_path(directory, fmt::format("{}-{:x}", io::base_name(segment_path), damage.begin));
  const Result<io::FileInfo> present = files.info(path);
  if (present && present->size_bytes == damaged_bytes) {
    TRY(files.sync_directory(directory));  // Whoever saved them may have died before this.
    return damaged_bytes;
  }
  TRY(files.create_directory(directory));
  TRY(files.sync_directory(io::parent_path(directory)));
  // Under its name a copy is whole and durable.
  const std::string unfinished = path + ".tmp";
  Status copied = copy_bytes(files, segment_path, damage, unfinished);
  if (copied) {
    copied = files.rename(unfinished, path);
  }
  if (!copied) {
    (void)files.remove(unfinished);  // On a full disk it would keep what little there is.
    return std::unexpected(std::move(copied).error());
  }
  TRY(files.sync_directory(directory));
  return damaged_bytes;
}

}  // namespace pluresdb::wal
