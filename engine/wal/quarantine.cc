#include "engine/wal/quarantine.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "engine/base/bytes.h"
#include "engine/io/file_system.h"
#include "engine/wal/segment_scan.h"
#include <pluresdb/error.h>

namespace pluresdb::wal {
namespace {

constexpr std::uint64_t kCopyBytes = 1ULL << 20;

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
    return damaged_bytes;  // An earlier open has saved them.
  }
  TRY(files.create_directory(directory));
  TRY(files.sync_directory(io::parent_path(directory)));
  TRY_ASSIGN(const std::unique_ptr<io::File> from, files.open(segment_path, io::OpenMode::kRead));
  const std::string unfinished = path + ".tmp";  // Under its name a copy is whole and durable.
  TRY_ASSIGN(const std::unique_ptr<io::File> to,
             files.open(unfinished, io::OpenMode::kCreateOrEmpty));
  std::vector<std::byte> buffer(std::min(kCopyBytes, damaged_bytes));
  for (std::uint64_t offset = damage.begin; offset < damage.end;) {
    const std::uint64_t wanted = std::min<std::uint64_t>(buffer.size(), damage.end - offset);
    TRY_ASSIGN(const std::size_t count,
               from->read(offset, base::MutableByteSpan(buffer).first(wanted)));
    if (count == 0) {
      break;
    }
    TRY(to->write(offset - damage.begin, base::ByteSpan(buffer).first(count)));
    offset += count;
  }
  TRY(to->sync_all());
  TRY(files.rename(unfinished, path));
  TRY(files.sync_directory(directory));
  return damaged_bytes;
}

}  // namespace pluresdb::wal
