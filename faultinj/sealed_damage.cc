#include "faultinj/sealed_damage.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <ios>
#include <optional>
#include <random>
#include <string>
#include <system_error>
#include <vector>

#include <pluresdb/error.h>

namespace faultinj {
namespace {

using pluresdb::ErrorCode;
using pluresdb::Result;
using pluresdb::Status;
namespace fs = std::filesystem;

constexpr std::uint64_t kBlockBytes = 4096;
constexpr std::size_t kUnsealedSegments = 2;
constexpr int kTries = 256;
constexpr unsigned kBitsPerByte = 8;

struct Block {
  fs::path file;
  std::uint64_t offset = 0;
  std::string bytes;
};

Status failed(const char* what, const fs::path& path) {
  return pluresdb::fail(ErrorCode::kIo, std::string(what) + " " + path.string(), errno);
}

/// By name, which is by age.
Result<std::vector<fs::path>> sealed_segments(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().extension() == ".wal") {
      files.push_back(entry->path());
    }
  }
  if (error) {
    return pluresdb::fail(ErrorCode::kIo, "list " + folder.string(), error.value());
  }
  std::sort(files.begin(), files.end());
  files.resize(files.size() > kUnsealedSegments ? files.size() - kUnsealedSegments : 0);
  return files;
}

Result<std::string> read_at(const fs::path& path, std::uint64_t offset, std::uint64_t bytes) {
  std::ifstream file(path, std::ios::binary);
  std::string data(bytes, '\0');
  file.seekg(static_cast<std::streamoff>(offset));
  if (!file.read(data.data(), static_cast<std::streamsize>(bytes))) {
    return std::unexpected(failed("read", path).error());
  }
  return data;
}

Status write_at(const fs::path& path, std::uint64_t offset, const std::string& data) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(offset));
  file.write(data.data(), static_cast<std::streamsize>(data.size()));
  file.close();
  return file ? Status{} : failed("write", path);
}

/// A block with something in it; nothing when none was met.
Result<std::optional<Block>> choose(const std::vector<fs::path>& files, std::mt19937_64& random) {
  for (int i = 0; i < kTries; ++i) {
    const fs::path& file = files[random() % files.size()];
    std::error_code error;
    const std::uintmax_t size = fs::file_size(file, error);
    if (error) {
      return pluresdb::fail(ErrorCode::kIo, "size of " + file.string(), error.value());
    }
    if (size == 0) {
      continue;
    }
    const std::uint64_t offset = random() % ((size + kBlockBytes - 1) / kBlockBytes) * kBlockBytes;
    TRY_ASSIGN(std::string bytes,
               read_at(file, offset, std::min<std::uint64_t>(kBlockBytes, size - offset)));
    if (bytes.find_first_not_of('\0') != std::string::npos) {
      return Block{.file = file, .offset = offset, .bytes = std::move(bytes)};
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
  TRY(write_at(block.file, block.offset + at, std::string(1, flipped)));
  return DamageDone{.offset = block.offset + at, .bytes = 1};
}

Result<std::optional<DamageDone>> misdirect(const Block& block, const std::vector<fs::path>& files,
                                            std::mt19937_64& random) {
  for (int i = 0; i < kTries; ++i) {
    TRY_ASSIGN(const std::optional<Block> source, choose(files, random));
    if (source.has_value() && source->bytes.size() == block.bytes.size() &&
        source->bytes != block.bytes) {
      TRY(write_at(block.file, block.offset, source->bytes));
      return DamageDone{.offset = block.offset,
                        .bytes = block.bytes.size(),
                        .source = source->file.filename(),
                        .source_offset = source->offset};
    }
  }
  return std::nullopt;
}

}  // namespace

Result<std::optional<DamageDone>> damage_sealed_segment(const std::string& store_directory,
                                                        SealedDamage kind, std::uint64_t seed) {
  TRY_ASSIGN(const std::vector<fs::path> files, sealed_segments(fs::path(store_directory) / "wal"));
  if (files.empty()) {
    return std::nullopt;
  }
  std::mt19937_64 random(seed);
  TRY_ASSIGN(const std::optional<Block> block, choose(files, random));
  if (!block.has_value()) {
    return std::nullopt;
  }
  std::optional<DamageDone> done;
  if (kind == SealedDamage::kBitFlip) {
    TRY_ASSIGN(done, flip_bit(*block, random));
  } else {
    TRY_ASSIGN(done, misdirect(*block, files, random));
  }
  if (done.has_value()) {
    done->file = "wal/" + block->file.filename().string();
  }
  return done;
}

}  // namespace faultinj
