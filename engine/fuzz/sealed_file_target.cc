// Goal: what is read from a file of an encrypted base store is what was written there, or an error;
// only a log or MANIFEST may end early. Method: genuine files of every kind, changed with and
// without fitting CRCs, read in any order and in pieces. docs/formats/store.md "Encryption".
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/fuzz/driver/target.h"
#include "engine/fuzz/fixed_random.h"
#include "engine/fuzz/memory_files.h"
#include "engine/fuzz/support.h"
#include "engine/fuzz/targets.h"
#include "engine/store/file_contents.h"
#include "engine/store/sealed_format.h"
#include <pluresdb/error.h>

namespace pluresdb::fuzz {
namespace {

constexpr std::array<const char*, 4> kPaths = {"/b/000007.sst", "/b/MANIFEST-000004",
                                               "/b/000009.log", "/b/CURRENT"};
constexpr std::size_t kHeaderCrcAt = store::kFileHeaderBytes - sizeof(std::uint32_t);

struct SealedBytes {
  std::string path;
  Bytes plain;
  std::vector<std::uint64_t> chunks;  // Offsets of their headers in the file.
  Bytes file;
};

/// Written in pieces, some of them synced, as RocksDB does it.
SealedBytes write_sealed(Input& input, store::FileContents& contents, MemoryFiles& files) {
  SealedBytes sealed;
  sealed.path = kPaths[input.pick(kPaths.size())];
  const bool is_table = store::kind_of(sealed.path) == store::FileKind::kTable;
  const auto file = must_give(contents.create(sealed.path), "a file is made");
  for (std::size_t left = input.pick(5); left > 0; --left) {
    const std::size_t bytes =
        input.pick(8) == 1 ? 1U + input.read<std::uint16_t>() : 1 + input.pick(200);
    Bytes piece(bytes);
    for (std::size_t i = 0; i < bytes; ++i) {
      piece[i] = static_cast<std::byte>((sealed.plain.size() + i) * 7 >> 3U);
    }
    must_hold(file->append(piece).has_value(), "a piece is appended");
    base::append_bytes(sealed.plain, piece);
    if (!is_table && input.flag()) {
      must_hold(file->sync_data().has_value(), "a piece is synced");
    }
  }
  must_hold(file->sync_all() && file->close(), "a file is closed");
  sealed.file = files.contents(sealed.path);
  for (std::uint64_t at = store::kFileHeaderBytes; at < sealed.file.size();) {
    sealed.chunks.push_back(at);
    at += store::kChunkExtraBytes + base::load<std::uint32_t>(sealed.file, at);
  }
  return sealed;
}

void fit_sealed_crcs(const SealedBytes& sealed, Bytes& file) {
  if (file.size() < store::kFileHeaderBytes) {
    return;
  }
  base::store(file, kHeaderCrcAt, base::crc32c(base::ByteSpan(file).first(kHeaderCrcAt)));
  for (const std::uint64_t at : sealed.chunks) {
    constexpr std::size_t kCrcAt = store::kChunkHeaderBytes - sizeof(std::uint32_t);
    if (at + store::kChunkHeaderBytes <= file.size()) {
      const auto header = base::MutableByteSpan(file).subspan(at, store::kChunkHeaderBytes);
      base::store(header, kCrcAt, base::crc32c(header.first(kCrcAt)));
    }
  }
}

void must_say_why(const Error& error) {
  must_hold(error.code == ErrorCode::kCorruption || error.code == ErrorCode::kKeyUnavailable ||
                error.code == ErrorCode::kUnsupportedVersion,
            "a file that is refused is damaged, too new, or lacks its key");
}

/// Reads of any places: each gives what stood there, up to where the table ends now.
void check_table(store::FileContents& contents, const SealedBytes& sealed, const Bytes& file,
                 Input& input) {
  const bool is_whole = file == sealed.file;
  const auto reader = contents.open(sealed.path);
  const auto size = contents.size_of(sealed.path);
  if (!reader || !size) {
    must_say_why(reader ? size.error() : reader.error());
    must_hold(!is_whole, "a whole table opens");
    return;
  }
  must_hold(*size <= file.size(), "a table has no more in it than its file");
  for (int reads = 0; reads < 4; ++reads) {
    const std::uint64_t offset = input.number();
    Bytes out(input.read<std::uint16_t>());
    const auto count = (*reader)->read(offset, out);
    if (!count) {
      must_hold(count.error().code == ErrorCode::kCorruption && !is_whole,
                "a read that fails has met damage");
      continue;
    }
    must_hold(*count == std::min<std::uint64_t>(out.size(), *size - std::min(*size, offset)),
              "a read is short only at the end");
    must_hold(*count == 0 || offset + *count <= sealed.plain.size(),
              "no more is read than was written");
    must_hold(
        std::equal(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(*count),
                   sealed.plain.begin() + static_cast<std::ptrdiff_t>(*count == 0 ? 0 : offset)),
        "what is read is what was written there");
  }
}

/// From its beginning to its end: what was written, or a beginning of it that ends with a chunk.
void check_stream(store::FileContents& contents, const SealedBytes& sealed, bool is_whole,
                  std::size_t step) {
  const auto stream = contents.open_stream(sealed.path);
  if (!stream) {
    must_say_why(stream.error());
    must_hold(!is_whole, "a whole file opens");
    return;
  }
  Bytes plain;
  Bytes part(step);
  while (true) {
    const auto count = (*stream)->read(part);
    if (!count) {
      must_hold(count.error().code == ErrorCode::kCorruption && !is_whole,
                "a stream that fails has met damage");
      return;
    }
    plain.insert(plain.end(), part.begin(), part.begin() + static_cast<std::ptrdiff_t>(*count));
    if (*count < step) {
      break;
    }
  }
  must_hold(plain.size() <= sealed.plain.size() &&
                std::equal(plain.begin(), plain.end(), sealed.plain.begin()),
            "a stream gives a beginning of what was written");
  must_hold(!is_whole || plain == sealed.plain, "a whole file is read whole");
}

void run_sealed_file(fuzzing::ByteSpan data) {
  restart_random(4);
  Input input(data);
  MemoryFiles files;
  const auto contents = store::make_sealed_contents(files, fixed_keys());
  const SealedBytes sealed = write_sealed(input, *contents, files);
  const bool fits = input.flag();
  const std::size_t step = 1U + input.read<std::uint16_t>() % 1024U;
  Input reads(input.take(20));
  std::vector<std::uint64_t> places = sealed.chunks;
  places.insert(places.end(), {0, store::kFixedHeaderBytes, kHeaderCrcAt});
  Bytes file = sealed.file;
  while (!input.empty()) {
    change(input, places, file);
  }
  if (fits) {
    fit_sealed_crcs(sealed, file);
  }
  files.put(sealed.path, file);
  const bool is_whole = file == sealed.file;
  check_stream(*contents, sealed, is_whole, step);
  if (store::kind_of(sealed.path) == store::FileKind::kTable) {
    check_table(*contents, sealed, file, reads);
  } else {
    const auto size = contents->size_of(sealed.path);
    must_hold(size || !is_whole, "a whole file has a size");
    must_hold(!size || *size <= file.size(), "a file has no more in it than its bytes");
    must_hold(!is_whole || *size == sealed.plain.size(), "a whole file has its size");
  }
  const auto plain = store::make_plain_contents(files)->open_stream(sealed.path);
  must_hold(!is_whole || file.empty() || !plain, "without keys an encrypted file does not open");
}

std::vector<Seed> sealed_file_seeds() {
  // Path, pieces, (size, sync) of each, CRCs, step, reads.
  const auto table = [](int fits) {
    return SeedBytes()
        .add_each({0, 2, 0, 100, 1, 0, 80, fits, 50, 0})
        .add_each({0, 200, 0, 9, 0, 9, 90, 255, 255, 225, 0, 64, 9, 0, 0, 1, 0, 0, 0, 0});
  };
  const auto log = [](int path, int fits) {
    return SeedBytes()
        .add_each({path, 3, 0, 100, 1, 0, 50, 0, 0, 20, 1, fits, 7, 0})
        .add_each({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  };
  return {
      {.name = "seed-table", .bytes = table(0).bytes()},
      {.name = "seed-table-changed", .bytes = table(0).add_each({4, 1, 100, 0, 3}).bytes()},
      {.name = "seed-table-cut", .bytes = table(0).add_each({0, 1, 0, 0}).bytes()},
      {.name = "seed-manifest", .bytes = log(1, 0).bytes()},
      {.name = "seed-log-torn", .bytes = log(2, 0).add_each({0, 1, 20, 0}).bytes()},
      {.name = "seed-log-forged-length", .bytes = log(2, 1).add_each({5, 0, 0, 0, 40}).bytes()},
      {.name = "seed-current-swapped", .bytes = log(3, 1).add_each({3, 0, 0, 31, 1, 0}).bytes()},
      {.name = "seed-header-forged", .bytes = log(3, 1).add_each({5, 2, 12, 0, 1}).bytes()},
  };
}

}  // namespace

fuzzing::Target sealed_file_target() {
  return {
      .name = "sealed_file", .run = run_sealed_file, .seeds = sealed_file_seeds, .mutations = 3000};
}

}  // namespace pluresdb::fuzz
