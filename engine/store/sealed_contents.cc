// An encrypted base store: docs/formats/store.md, "Encryption". Everything that RocksDB writes
// passes SealedAppender, and everything that it reads was opened here.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/crypto/chunk_sealer.h"
#include "engine/crypto/file_key.h"
#include "engine/crypto/master_keys.h"
#include "engine/io/file_system.h"
#include "engine/store/chunk_walk.h"
#include "engine/store/file_contents.h"
#include "engine/store/sealed_format.h"
#include <pluresdb/error.h>

namespace pluresdb::store {
namespace {

/// Sealed chunks go to the file in writes of about this size.
constexpr std::size_t kWriteBytes = 256 << 10;
/// What one read takes from the file at a time.
constexpr std::uint64_t kChunksPerRead = 4;

std::unexpected<Error> in_file(const std::string& path, Error error) {
  error.context = path + ": " + error.context;
  return std::unexpected(std::move(error));
}

/// Seals what is appended. After an error it is of no use: what is on the disk is not known then,
/// and no position is ever sealed again.  INV-STORE-14
class SealedAppender final : public FileAppender {
 public:
  SealedAppender(std::unique_ptr<io::File> file, FileKind kind, const FileHeader& header,
                 crypto::ChunkSealer sealer)
      : file_(std::move(file)),
        kind_(kind),
        sealer_(std::move(sealer)),
        pending_(header.begin(), header.end()) {}

  Status append(base::ByteSpan plain) override {
    return attempt([&] { return append_chunks(plain); });
  }
  Status sync_most() override {
    return attempt([&]() -> Status {
      TRY(write_whole_chunks());
      return file_->sync_data();
    });
  }
  Status sync_data() override {
    return attempt([&]() -> Status {
      TRY(end_chunk());
      TRY(write_whole_chunks());
      return file_->sync_data();
    });
  }
  Status sync_all() override {
    return attempt([&]() -> Status {
      TRY(end_chunk());
      TRY(write_whole_chunks());
      return file_->sync_all();
    });
  }
  Status close() override {
    const Status written = attempt([&]() -> Status {
      TRY(end_chunk());
      return write_whole_chunks();
    });
    const Status closed = file_->close();
    return written ? closed : written;
  }
  [[nodiscard]] std::uint64_t size_bytes() const override { return position_ + chunk_bytes_; }

 private:
  template <typename Operation>
  Status attempt(const Operation& operation) {
    if (state_) {
      state_ = operation();
    }
    return state_;
  }

  Status append_chunks(base::ByteSpan plain) {
    if (kind_ == FileKind::kTable && position_ % kChunkPlainBytesMax != 0 && !plain.empty()) {
      return fail(ErrorCode::kInvalidArgument, "a table is continued behind its last chunk");
    }
    while (!plain.empty()) {
      if (chunk_bytes_ == 0) {
        pending_.resize(pending_.size() + kChunkHeaderBytes);
      }
      const std::size_t count = std::min(plain.size(), kChunkPlainBytesMax - chunk_bytes_);
      base::append_bytes(pending_, plain.first(count));
      chunk_bytes_ += count;
      plain = plain.subspan(count);
      if (chunk_bytes_ == kChunkPlainBytesMax) {
        TRY(end_chunk());
      }
      if (whole_bytes_ >= kWriteBytes) {
        TRY(write_whole_chunks());
      }
    }
    return {};
  }

  Status end_chunk() {
    if (chunk_bytes_ == 0) {
      return {};
    }
    if (chunk_bytes_ > crypto::kFileBytesMax - position_) {
      return fail(ErrorCode::kInvalidArgument, "an encrypted file of more than 64 GiB");
    }
    const std::size_t begin = pending_.size() - chunk_bytes_ - kChunkHeaderBytes;
    base::store(pending_, begin, encode_chunk_header(chunk_bytes_));
    pending_.resize(pending_.size() + crypto::kSealBytes);
    const auto chunk = base::MutableByteSpan(pending_).subspan(begin);
    TRY(sealer_.seal(position_, chunk.first(kChunkHeaderBytes),
                     chunk.subspan(kChunkHeaderBytes, chunk_bytes_),
                     chunk.subspan(kChunkHeaderBytes)));
    position_ += chunk_bytes_;
    chunk_bytes_ = 0;
    whole_bytes_ = pending_.size();
    return {};
  }

  /// The file's header goes with the first chunk.
  Status write_whole_chunks() {
    if (whole_bytes_ == 0) {
      return {};
    }
    TRY(file_->write(file_bytes_, base::ByteSpan(pending_).first(whole_bytes_)));
    file_bytes_ += whole_bytes_;
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(whole_bytes_));
    whole_bytes_ = 0;
    return {};
  }

  const std::unique_ptr<io::File> file_;
  const FileKind kind_;
  crypto::ChunkSealer sealer_;
  Status state_;
  std::vector<std::byte> pending_;  // Not in the file yet: whole chunks, then one that grows.
  std::size_t whole_bytes_ = 0;     // Of pending_: everything before the chunk that grows.
  std::size_t chunk_bytes_ = 0;     // Plain bytes of the chunk that grows.
  std::uint64_t position_ = 0;      // Where that one begins.
  std::uint64_t file_bytes_ = 0;
};

/// A file that was opened: its header is proven to be of this store.
struct SealedFile {
  std::unique_ptr<io::File> file;
  /// Null: the file has no contents.
  std::unique_ptr<const crypto::ChunkOpener> opener;
};

/// A table: every chunk but the last is full.
class SealedTableReader final : public FileReader {
 public:
  SealedTableReader(SealedFile sealed, std::uint64_t plain_bytes, std::string path)
      : sealed_(std::move(sealed)), plain_bytes_(plain_bytes), path_(std::move(path)) {}

  Result<std::size_t> read(std::uint64_t offset, base::MutableByteSpan out) const override {
    if (offset >= plain_bytes_) {
      return 0;
    }
    const auto wanted = out.first(
        static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), plain_bytes_ - offset)));
    std::size_t done = 0;
    while (done < wanted.size()) {
      TRY_ASSIGN(const std::size_t count, read_chunks(offset + done, wanted.subspan(done)));
      done += count;
    }
    return done;
  }

 private:
  /// The beginning of `out`, from at most kChunksPerRead chunks.
  Result<std::size_t> read_chunks(std::uint64_t offset, base::MutableByteSpan out) const {
    const std::uint64_t first = offset / kChunkPlainBytesMax;
    const std::uint64_t last =
        std::min((offset + out.size() - 1) / kChunkPlainBytesMax, first + kChunksPerRead - 1);
    const std::uint64_t begin = first * kChunkPlainBytesMax;
    const std::uint64_t end = std::min(plain_bytes_, (last + 1) * kChunkPlainBytesMax);
    const auto sealed_bytes =
        static_cast<std::size_t>(end - begin + (last - first + 1) * kChunkExtraBytes);
    const auto buffer = std::make_unique_for_overwrite<std::byte[]>(sealed_bytes);
    auto rest = base::MutableByteSpan(buffer.get(), sealed_bytes);
    TRY_ASSIGN(const std::size_t count,
               sealed_.file->read(kFileHeaderBytes + first * kFullChunkBytes, rest));
    if (count != sealed_bytes) {
      return fail(ErrorCode::kCorruption, path_ + " has become shorter");
    }
    std::size_t done = 0;
    for (std::uint64_t position = begin; position < end; position += kChunkPlainBytesMax) {
      const auto plain_bytes =
          static_cast<std::size_t>(std::min<std::uint64_t>(kChunkPlainBytesMax, end - position));
      const auto chunk = rest.first(plain_bytes + kChunkExtraBytes);
      TRY_ASSIGN(const auto plain, open_chunk(position, chunk));
      const auto skipped = static_cast<std::size_t>(offset + done - position);
      const std::size_t taken = std::min(plain.size() - skipped, out.size() - done);
      std::memcpy(out.data() + done, plain.data() + skipped, taken);
      done += taken;
      rest = rest.subspan(chunk.size());
    }
    return done;
  }

  /// In place.
  Result<base::ByteSpan> open_chunk(std::uint64_t position, base::MutableByteSpan chunk) const {
    const std::size_t plain_bytes = chunk.size() - kChunkExtraBytes;
    const auto header = chunk.first(kChunkHeaderBytes);
    const auto sealed = chunk.subspan(kChunkHeaderBytes);
    const auto plain = sealed.first(plain_bytes);
    if (const Status opened = sealed_.opener->open(position, header, sealed, plain); !opened) {
      return in_file(path_, opened.error());
    }
    return plain;
  }

  const SealedFile sealed_;
  const std::uint64_t plain_bytes_;
  const std::string path_;
};

/// A file that is only read from its beginning.
class UnreadableFile final : public FileReader {
 public:
  explicit UnreadableFile(std::string path) : path_(std::move(path)) {}
  Result<std::size_t> read(std::uint64_t /*offset*/, base::MutableByteSpan /*out*/) const override {
    return fail(ErrorCode::kInvalidArgument, path_ + " can only be read from its beginning");
  }

 private:
  const std::string path_;
};

class SealedStream final : public FileStream {
 public:
  SealedStream(SealedFile sealed, std::string path)
      : sealed_(std::move(sealed)),
        path_(std::move(path)),
        kind_(kind_of(path_)),
        walk_(*sealed_.file) {}

  Result<std::size_t> read(base::MutableByteSpan out) override {
    std::size_t done = 0;
    while (done < out.size() && sealed_.opener != nullptr) {
      if (chunk_.empty()) {
        TRY_ASSIGN(const bool more, next_chunk());
        if (!more) {
          break;
        }
      }
      const std::size_t count = std::min(chunk_.size(), out.size() - done);
      std::memcpy(out.data() + done, chunk_.data(), count);
      chunk_ = chunk_.subspan(count);
      done += count;
    }
    return done;
  }

 private:
  Result<bool> next_chunk() {
    const ChunkWalk::Place place = walk_.place();
    const auto next = open_next();
    if (!next) {
      TRY_ASSIGN(const bool is_torn, is_torn_at(place, next.error()));
      return is_torn ? Result<bool>(false) : in_file(path_, next.error());
    }
    chunk_ = next->value_or(base::ByteSpan());
    return next->has_value();
  }

  Result<std::optional<base::ByteSpan>> open_next() {
    TRY_ASSIGN(const auto chunk, walk_.next());
    if (!chunk) {
      return std::nullopt;
    }
    const auto plain = chunk->sealed.first(chunk->plain_bytes);
    TRY(sealed_.opener->open(chunk->position, chunk->header, chunk->sealed, plain));
    return plain;
  }

  /// Whether what is damaged at `place` can be the last append, which a power loss has torn: some
  /// of its sectors are there and others not. Only of the manifest, which RocksDB appends to and
  /// syncs edit by edit; and no chunk that opens lies behind it. (The first one is synced before
  /// CURRENT names the file.)
  Result<bool> is_torn_at(const ChunkWalk::Place& place, const Error& error) const {
    TRY_ASSIGN(const std::uint64_t file_bytes, sealed_.file->size());
    if (error.code != ErrorCode::kCorruption || kind_ != FileKind::kManifest ||
        place.position == 0 || file_bytes - place.offset > kFullChunkBytes) {
      return false;
    }
    std::vector<std::byte> rest(static_cast<std::size_t>(file_bytes - place.offset));
    TRY_ASSIGN(const std::size_t count, sealed_.file->read(place.offset, rest));
    rest.resize(count);
    // Where the next one begins says how long this one is, and so at which position that one is.
    for (std::size_t at = kChunkExtraBytes + 1; at + kChunkExtraBytes < rest.size(); ++at) {
      if (opens(base::ByteSpan(rest).subspan(at), place.position + at - kChunkExtraBytes)) {
        return false;
      }
    }
    return true;
  }

  [[nodiscard]] bool opens(base::ByteSpan bytes, std::uint64_t position) const {
    const auto header = bytes.first(kChunkHeaderBytes);
    const auto plain_bytes = decode_chunk_header(header);
    if (!plain_bytes || *plain_bytes == 0 || bytes.size() < *plain_bytes + kChunkExtraBytes) {
      return false;
    }
    std::vector<std::byte> plain(*plain_bytes);
    const auto sealed =
        bytes.subspan(kChunkHeaderBytes, *plain_bytes + kChunkExtraBytes - kChunkHeaderBytes);
    return sealed_.opener->open(position, header, sealed, plain).has_value();
  }

  const SealedFile sealed_;
  const std::string path_;
  const FileKind kind_;
  ChunkWalk walk_;
  base::ByteSpan chunk_;  // Plain, not handed out yet; in the walk's window.
};

class SealedContents final : public FileContents {
 public:
  SealedContents(io::FileSystem& files, const crypto::MasterKeys& keys)
      : files_(files), keys_(keys) {}

  Result<std::unique_ptr<FileAppender>> create(const std::string& path) override {
    const FileKind kind = kind_of(path);
    const FixedHeader fixed = encode_fixed_header(kind);
    TRY_ASSIGN(const auto made, crypto::seal_file_key(keys_, fixed));
    TRY_ASSIGN(auto sealer, crypto::ChunkSealer::create(made.key));
    TRY_ASSIGN(auto file, files_.open(path, io::OpenMode::kCreateOrEmpty));
    return std::make_unique<SealedAppender>(
        std::move(file), kind, encode_file_header(fixed, made.envelope), std::move(sealer));
  }

  Result<std::unique_ptr<FileReader>> open(const std::string& path) override {
    TRY_ASSIGN(auto sealed, open_sealed(path));
    if (kind_of(path) != FileKind::kTable) {
      return std::make_unique<UnreadableFile>(path);
    }
    std::uint64_t plain_bytes = 0;
    if (sealed.opener != nullptr) {
      TRY_ASSIGN(const auto file_bytes, sealed.file->size());
      TRY_ASSIGN(plain_bytes, table_plain_bytes(file_bytes, path));
    }
    return std::make_unique<SealedTableReader>(std::move(sealed), plain_bytes, path);
  }

  Result<std::unique_ptr<FileStream>> open_stream(const std::string& path) override {
    TRY_ASSIGN(auto sealed, open_sealed(path));
    return std::make_unique<SealedStream>(std::move(sealed), path);
  }

  Result<std::uint64_t> size_of(const std::string& path) override {
    TRY_ASSIGN(const auto file, files_.open(path, io::OpenMode::kRead));
    TRY_ASSIGN(const auto header, read_header(*file, path));
    if (!header) {
      return 0;
    }
    if (kind_of(path) == FileKind::kTable) {
      TRY_ASSIGN(const auto file_bytes, file->size());
      return table_plain_bytes(file_bytes, path);
    }
    if (kind_of(path) == FileKind::kManifest) {
      return bytes_of_stream(path);  // Its end need not be where its last chunk says.
    }
    ChunkWalk walk(*file);
    std::uint64_t plain_bytes = 0;
    while (true) {
      TRY_ASSIGN(const auto chunk, walk.next());
      if (!chunk) {
        return plain_bytes;
      }
      plain_bytes += chunk->plain_bytes;
    }
  }

 private:
  Result<std::uint64_t> bytes_of_stream(const std::string& path) {
    TRY_ASSIGN(const auto stream, open_stream(path));
    std::vector<std::byte> buffer(kChunkPlainBytesMax);
    std::uint64_t bytes = 0;
    while (true) {
      TRY_ASSIGN(const std::size_t count, stream->read(buffer));
      if (count == 0) {
        return bytes;
      }
      bytes += count;
    }
  }

  static Result<std::optional<FileHeader>> read_header(io::File& file, const std::string& path) {
    FileHeader start{};
    TRY_ASSIGN(const std::size_t count, file.read(0, start));
    return decode_file_header(base::ByteSpan(start).first(count), path);
  }

  Result<SealedFile> open_sealed(const std::string& path) {
    SealedFile sealed;
    TRY_ASSIGN(sealed.file, files_.open(path, io::OpenMode::kRead));
    TRY_ASSIGN(const auto header, read_header(*sealed.file, path));
    if (header) {
      const auto key = crypto::open_file_key(keys_, envelope_part(*header), fixed_part(*header));
      if (!key) {
        return in_file(path, key.error());
      }
      TRY_ASSIGN(auto opener, crypto::ChunkOpener::create(*key));
      sealed.opener = std::make_unique<const crypto::ChunkOpener>(std::move(opener));
    }
    return sealed;
  }

  io::FileSystem& files_;
  const crypto::MasterKeys& keys_;
};

}  // namespace

std::unique_ptr<FileContents> make_sealed_contents(io::FileSystem& files,
                                                   const crypto::MasterKeys& keys) {
  return std::make_unique<SealedContents>(files, keys);
}

}  // namespace pluresdb::store
