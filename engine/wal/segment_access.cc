// See segment_access.h. Nothing that stands in the file is trusted.
#include "engine/wal/segment_access.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "engine/base/bytes.h"
#include "engine/crypto/chunk_sealer.h"
#include "engine/crypto/file_key.h"
#include "engine/crypto/master_keys.h"
#include "engine/io/file_system.h"
#include "engine/wal/frame_seal.h"
#include "engine/wal/segment_format.h"
#include <pluresdb/error.h>

namespace pluresdb::wal {
namespace {

using CopyBytes = std::array<std::byte, kSegmentHeaderCopyBytes>;

struct Copy {
  CopyBytes bytes{};
  HeaderCopyRead read;
  [[nodiscard]] bool is_whole() const { return read.header || read.version != 0; }
};

Result<Copy> read_copy(io::File& file, std::uint64_t offset) {
  Copy copy;
  TRY_ASSIGN(const std::size_t count, file.read(offset, copy.bytes));
  copy.read = decode_header_copy(base::ByteSpan(copy.bytes).first(count));
  return copy;
}

/// The key of the file, as its header has it.
Result<std::shared_ptr<const crypto::ChunkOpener>> make_opener(const Copy& copy,
                                                               const crypto::Envelope& envelope,
                                                               const std::string& name,
                                                               const crypto::MasterKeys& keys) {
  auto key = crypto::open_file_key(keys, envelope, part_bound_to_envelope(copy.bytes));
  if (!key) {
    key.error().context = name + ": " + key.error().context;
    return std::unexpected(std::move(key).error());
  }
  TRY_ASSIGN(auto opener, crypto::ChunkOpener::create(*key));
  return std::make_shared<const crypto::ChunkOpener>(std::move(opener));
}

/// Of a whole copy: fills `opened` with it, or says why it cannot be.
Status take_copy(const Copy& copy, const std::string& name, const crypto::MasterKeys* keys,
                 OpenedHeader& opened) {
  const std::optional<SegmentHeader>& header = copy.read.header;
  if (!header) {
    return fail(ErrorCode::kUnsupportedVersion,
                fmt::format("{} has format version {}, this program reads up to {}: use the "
                            "program that wrote it",
                            name, copy.read.version, kFormatVersion));
  }
  if (keys == nullptr && header->envelope) {
    return fail(ErrorCode::kKeyUnavailable, name + " is encrypted, and no keys were given");
  }
  if (keys != nullptr && !header->envelope) {
    return fail(ErrorCode::kCorruption, name +
                                            " is not encrypted, in a log that is: somebody put it "
                                            "there. Move it out of the directory");
  }
  SegmentAccess access{.salt = header->salt};
  if (keys != nullptr && header->envelope) {
    TRY_ASSIGN(access.opener, make_opener(copy, *header->envelope, name, *keys));
  }
  opened.header = header;
  opened.version = copy.read.version;
  opened.access = std::move(access);
  return {};
}

/// Where an encrypted file that was sealed has its third copy.
Result<Copy> read_third_copy(io::File& file) {
  constexpr std::uint64_t kFromEnd =
      FrameLayout(true).trailer_bytes() + FrameLayout(true).third_copy_bytes();
  TRY_ASSIGN(const std::uint64_t size_bytes, file.size());
  if (size_bytes < kSegmentHeaderBytes + kFromEnd) {
    return Copy{};
  }
  TRY_ASSIGN(const Copy copy, read_copy(file, size_bytes - kFromEnd));
  // Any other header there is somebody's value.
  return copy.read.header && copy.read.header->envelope ? copy : Copy{};
}

}  // namespace

Result<OpenedHeader> open_header(io::File& file, std::uint64_t id, const std::string& name,
                                 const crypto::MasterKeys* keys) {
  std::array<Copy, 2> copies;
  TRY_ASSIGN(copies[0], read_copy(file, 0));
  TRY_ASSIGN(copies[1], read_copy(file, kSegmentHeaderCopyBytes));
  OpenedHeader opened;
  opened.copy_damaged = !copies[0].is_whole() || !copies[1].is_whole();
  Status outcome;
  for (const Copy& copy : copies) {
    if (!copy.is_whole()) {
      continue;
    }
    OpenedHeader found;
    const Status taken = take_copy(copy, name, keys, found);
    if (!taken) {
      outcome = outcome ? taken : outcome;
    } else if (!opened.header || (keys != nullptr && opened.header->id != id && found.header &&
                                  found.header->id == id)) {
      opened.header = found.header;
      opened.version = found.version;
      opened.access = found.access;
    }
  }
  // Without keys both copies are each other's only witness.
  const bool is_proven = opened.header && keys != nullptr;
  if (!outcome && !is_proven) {
    return std::unexpected(std::move(outcome).error());
  }
  if (is_proven) {
    opened.copy_tampered =
        copies[0].is_whole() && copies[1].is_whole() && copies[0].bytes != copies[1].bytes;
    return opened;
  }
  if (!opened.header) {
    TRY_ASSIGN(const Copy third, read_third_copy(file));
    if (third.is_whole()) {
      TRY(take_copy(third, name, keys, opened));
    }
  }
  return opened;
}

Result<crypto::KeyringVersions> keyring_versions(io::FileSystem& files,
                                                 const std::string& directory) {
  crypto::KeyringVersions versions;
  const auto names = files.list(directory);
  if (!names && names.error().code == ErrorCode::kNotFound) {
    return versions;
  }
  TRY(names);
  for (const std::string& name : *names) {
    if (parse_name(name).file_class != FileClass::kSegment) {
      continue;
    }
    TRY_ASSIGN(const auto file, files.open(io::join_path(directory, name), io::OpenMode::kRead));
    for (const std::uint64_t offset : {std::uint64_t{0}, kSegmentHeaderCopyBytes}) {
      TRY_ASSIGN(const Copy copy, read_copy(*file, offset));
      if (copy.read.header && copy.read.header->envelope) {
        if (const auto version = crypto::version_of(*copy.read.header->envelope)) {
          versions.insert(*version);  // What is no envelope is refused by whoever opens the file.
        }
      }
    }
  }
  return versions;
}

}  // namespace pluresdb::wal
