#include "faultinj/damage_at_rest.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <ios>
#include <iterator>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "faultinj/points.h"
#include <pluresdb/error.h>

namespace faultinj {
namespace {

using pluresdb::ErrorCode;
using pluresdb::Result;
using pluresdb::Status;
namespace fs = std::filesystem;

constexpr std::uint64_t kDamageBlockBytes = 4096;
constexpr std::size_t kUnsealedSegments = 2;
constexpr int kTries = 256;
constexpr unsigned kBitsPerByte = 8;
/// Of CRC-32C, the highest power first.
constexpr std::uint64_t kCrc32cPolynomial = 0x1'1EDC'6F41;
constexpr unsigned kPolynomialBits = 33;
/// That the polynomial's bits touch, wherever in a byte they begin.
constexpr std::size_t kTamperedBytes = (kPolynomialBits + 2 * (kBitsPerByte - 1)) / kBitsPerByte;

struct Block {
  fs::path file;
  std::uint64_t offset = 0;
  std::string bytes;
};

Status failed(const char* what, const fs::path& path) {
  return pluresdb::fail(ErrorCode::kIo, std::string(what) + " " + path.string(), errno);
}

/// Files of one kind, and how many blocks they have.
struct Files {
  std::vector<std::pair<fs::path, std::uint64_t>> sizes;  ///< By name, which is by age.
  std::uint64_t blocks = 0;
};

std::uint64_t blocks_of(std::uint64_t bytes) {
  return (bytes + kDamageBlockBytes - 1) / kDamageBlockBytes;
}

Result<std::vector<fs::path>> files_in(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    files.push_back(entry->path());
  }
  if (error) {
    return pluresdb::fail(ErrorCode::kIo, "list " + folder.string(), error.value());
  }
  std::ranges::sort(files);
  return files;
}

Result<Files> sized(const std::vector<fs::path>& paths) {
  Files files;
  for (const fs::path& path : paths) {
    std::error_code error;
    const std::uintmax_t size = fs::file_size(path, error);
    if (error) {
      return pluresdb::fail(ErrorCode::kIo, "size of " + path.string(), error.value());
    }
    files.sizes.emplace_back(path, size);
    files.blocks += blocks_of(size);
  }
  return files;
}

std::string kind_of(const PointClass& place) { return place.area + "/" + place.file_kind; }

bool has_number(const fs::path& path) {
  return path.stem().string().find_first_not_of("0123456789") == std::string::npos;
}

/// Of the files of one folder, those that may be damaged.
std::vector<fs::path> targets(const std::vector<fs::path>& all, const std::string& area,
                              std::string_view kind) {
  std::vector<fs::path> files;
  std::ranges::copy_if(all, std::back_inserter(files), [&](const fs::path& path) {
    const bool is_whole = kind != "base/sst" || has_number(path);
    return is_whole && kind_of(classify_path(area + "/" + path.filename().string())) == kind;
  });
  if (kind == "wal/segment") {
    files.resize(files.size() - std::min(files.size(), kUnsealedSegments));
  }
  if (kind == "base/manifest" && !files.empty()) {
    files.erase(files.begin(), files.end() - 1);
  }
  return files;
}

/// Of the files of one folder, those with blocks that could land in the wrong place.
std::vector<fs::path> sources(const std::vector<fs::path>& all, const std::string& area,
                              std::string_view kind) {
  if (area == "wal") {
    return targets(all, area, kind);
  }
  std::vector<fs::path> files;
  for (const char* each : {"base/sst", "base/manifest", "base/current"}) {
    std::ranges::copy(targets(all, area, each), std::back_inserter(files));
  }
  return files;
}

Result<std::string> read_bytes_at(const fs::path& path, std::uint64_t offset, std::uint64_t bytes) {
  std::ifstream file(path, std::ios::binary);
  std::string data(bytes, '\0');
  file.seekg(static_cast<std::streamoff>(offset));
  if (!file.read(data.data(), static_cast<std::streamsize>(bytes))) {
    return std::unexpected(failed("read", path).error());
  }
  return data;
}

Status write_bytes_at(const fs::path& path, std::uint64_t offset, const std::string& data) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(offset));
  file.write(data.data(), static_cast<std::streamsize>(data.size()));
  file.close();
  return file ? Status{} : failed("write", path);
}

/// A block with something in it; nothing when none was met.
Result<std::optional<Block>> choose(const Files& files, std::mt19937_64& random) {
  for (int i = 0; i < kTries && files.blocks > 0; ++i) {
    std::uint64_t block = random() % files.blocks;
    auto file = files.sizes.begin();
    while (block >= blocks_of(file->second)) {
      block -= blocks_of(file->second);
      ++file;
    }
    const std::uint64_t offset = block * kDamageBlockBytes;
    TRY_ASSIGN(std::string bytes,
               read_bytes_at(file->first, offset,
                             std::min<std::uint64_t>(kDamageBlockBytes, file->second - offset)));
    if (bytes.find_first_not_of('\0') != std::string::npos) {
      return Block{.file = file->first, .offset = offset, .bytes = std::move(bytes)};
    }
  }
  return std::nullopt;
}

/// At a byte that is in use as far as can be seen from outside: not behind the block's last.
Result<DamageDone> flip_bit(const Block& block, std::mt19937_64& random) {
  const std::size_t in_use = block.bytes.find_last_not_of('\0') + 1;
  const std::uint64_t at = random() % in_use;
  const auto bit = static_cast<unsigned char>(1U << (random() % kBitsPerByte));
  const auto flipped = static_cast<char>(static_cast<unsigned char>(block.bytes[at]) ^ bit);
  TRY(write_bytes_at(block.file, block.offset + at, std::string(1, flipped)));
  return DamageDone{.offset = block.offset + at, .bytes = 1};
}

/// Nothing where so little of the block is in use.
Result<std::optional<DamageDone>> tamper(const Block& block, std::mt19937_64& random) {
  const std::size_t in_use = block.bytes.find_last_not_of('\0') + 1;
  if (in_use < kTamperedBytes) {
    return std::nullopt;
  }
  const std::uint64_t at = random() % (in_use - kTamperedBytes + 1);
  const auto first_bit = static_cast<unsigned>(random() % kBitsPerByte);
  std::string bytes = block.bytes.substr(at, kTamperedBytes);
  for (unsigned i = 0; i < kPolynomialBits; ++i) {
    if ((kCrc32cPolynomial >> (kPolynomialBits - 1 - i) & 1U) != 0) {
      const unsigned bit = first_bit + i;  // CRC-32C takes a byte's lowest bit first.
      auto& byte = bytes[bit / kBitsPerByte];
      byte = static_cast<char>(static_cast<unsigned char>(byte) ^ 1U << bit % kBitsPerByte);
    }
  }
  TRY(write_bytes_at(block.file, block.offset + at, bytes));
  return DamageDone{.offset = block.offset + at, .bytes = bytes.size()};
}

/// Of a file's last block what is behind the file's end does not show.
Result<std::optional<DamageDone>> misdirect(const Block& block, const Files& files,
                                            std::mt19937_64& random) {
  for (int i = 0; i < kTries; ++i) {
    TRY_ASSIGN(std::optional<Block> source, choose(files, random));
    if (!source.has_value() || source->bytes.size() < block.bytes.size()) {
      continue;
    }
    source->bytes.resize(block.bytes.size());
    if (source->bytes != block.bytes) {
      TRY(write_bytes_at(block.file, block.offset, source->bytes));
      return DamageDone{.offset = block.offset,
                        .bytes = block.bytes.size(),
                        .source = source->file.filename(),
                        .source_offset = source->offset};
    }
  }
  return std::nullopt;
}

}  // namespace

Result<std::optional<DamageDone>> damage_at_rest(const std::string& store_directory,
                                                 std::string_view point, DamageKind kind,
                                                 std::uint64_t seed) {
  if (std::ranges::find(damageable_points(), point) == damageable_points().end()) {
    return pluresdb::fail(ErrorCode::kInvalidArgument,
                          "no files to be damaged: " + std::string(point));
  }
  const std::string area(point.substr(0, point.find('/')));
  const std::string_view file_kind = point.substr(0, point.rfind('/'));
  TRY_ASSIGN(const std::vector<fs::path> all, files_in(fs::path(store_directory) / area));
  TRY_ASSIGN(const Files files, sized(targets(all, area, file_kind)));
  std::mt19937_64 random(seed);
  TRY_ASSIGN(const std::optional<Block> block, choose(files, random));
  if (!block.has_value()) {
    return std::nullopt;
  }
  std::optional<DamageDone> done;
  if (kind == DamageKind::kBitFlip) {
    TRY_ASSIGN(done, flip_bit(*block, random));
  } else if (kind == DamageKind::kTampering) {
    TRY_ASSIGN(done, tamper(*block, random));
  } else {
    TRY_ASSIGN(const Files others, sized(sources(all, area, file_kind)));
    TRY_ASSIGN(done, misdirect(*block, others, random));
  }
  if (done.has_value()) {
    done->file = area + "/" + block->file.filename().string();
  }
  return done;
}

}  // namespace faultinj
