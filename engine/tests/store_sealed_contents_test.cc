// The files of an encrypted base store by themselves. Goal: what is read is what was appended, an
// end that a crash may leave is the end, and anything else that is not what was sealed is an error.
// Method: files on a disk in memory, small enough to change every bit and to cut at every byte.
#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <initializer_list>
#include <memory>
#include <random>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/crypto/master_keys.h"
#include "engine/io/file_system.h"
#include "engine/store/file_contents.h"
#include "engine/store/sealed_format.h"
#include "engine/tests/forwarding_file_system.h"
#include "engine/tests/store_simulated_disk.h"
#include "engine/tests/store_test_support.h"
#include <pluresdb/error.h>

namespace {

std::mt19937_64& generator() {
  static std::mt19937_64 numbers(1);
  return numbers;
}

}  // namespace

// OpenSSL's, found before libcrypto's: keys and salts that a golden file can have. In this order of
// calls each is another one, so files have keys of their own here, too.
// NOLINTBEGIN(readability-identifier-naming): the names are OpenSSL's.
extern "C" int RAND_bytes(unsigned char* out, int count) {
  std::generate_n(out, count, [] { return static_cast<unsigned char>(generator()()); });
  return 1;
}
extern "C" int RAND_priv_bytes(unsigned char* out, int count) { return RAND_bytes(out, count); }
// NOLINTEND(readability-identifier-naming)

namespace pluresdb::store {
namespace {

using Bytes = std::vector<std::byte>;

constexpr const char* kTablePath = "base/000007.sst";
constexpr const char* kManifestPath = "base/MANIFEST-000004";
constexpr const char* kOtherPath = "base/CURRENT";

std::string text_of_length(std::size_t size, std::uint64_t seed = 7) {
  std::mt19937_64 numbers(seed);
  std::string text(size, ' ');
  std::ranges::generate(text, [&numbers] { return static_cast<char>(numbers()); });
  return text;
}

class SealedContents : public testing::Test {
 protected:
  SealedContents() { EXPECT_TRUE(disk_.create_directory("base")); }

  /// Each piece is followed by a sync.
  void write(const std::string& path, std::initializer_list<std::string_view> pieces) {
    auto file = contents_->create(path);
    ASSERT_TRUE(file) << to_string(file.error());
    for (const std::string_view piece : pieces) {
      ASSERT_TRUE((*file)->append(base::as_bytes(piece)));
      ASSERT_TRUE((*file)->sync_data());
    }
    ASSERT_TRUE((*file)->close());
  }
  Bytes raw(const std::string& path) {
    auto bytes = io::read_whole_file(disk_, path, 1ULL << 30);
    EXPECT_TRUE(bytes);
    return bytes ? *std::move(bytes) : Bytes{};
  }
  void put_raw(const std::string& path, base::ByteSpan bytes) {
    const auto file = disk_.open(path, io::OpenMode::kCreateOrEmpty);
    ASSERT_TRUE(file);
    ASSERT_TRUE((*file)->write(0, bytes));
  }
  /// From beginning to end, in reads of `step`.
  Result<std::string> streamed(const std::string& path, std::size_t step = 1000) {
    TRY_ASSIGN(const auto stream, contents_->open_stream(path));
    std::string text;
    std::string part(step, ' ');
    while (true) {
      TRY_ASSIGN(const std::size_t count, stream->read(std::as_writable_bytes(std::span(part))));
      text.append(part, 0, count);
      if (count < step) {
        return text;
      }
    }
  }
  static Result<std::string> read(const FileReader& reader, std::uint64_t offset,
                                  std::size_t count) {
    std::string text(count, ' ');
    TRY_ASSIGN(const std::size_t done,
               reader.read(offset, std::as_writable_bytes(std::span(text))));
    text.resize(done);
    return text;
  }
  Result<std::string> whole_table(const std::string& path) {
    TRY_ASSIGN(const auto reader, contents_->open(path));
    return read(*reader, 0, 1 << 20);
  }
  template <typename T>
  static void expect_error(const Result<T>& result, ErrorCode code, std::string_view text = "") {
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().code, code) << to_string(result.error());
    EXPECT_NE(result.error().context.find(text), std::string::npos) << to_string(result.error());
  }

  const crypto::MasterKeys keys_ = test_keys();
  SimulatedDisk disk_;
  std::unique_ptr<FileContents> contents_ = make_sealed_contents(disk_, keys_);
};

TEST_F(SealedContents, TableIsReadAtEveryOffsetAndLength) {
  for (const std::size_t size :
       {std::size_t{1}, kChunkPlainBytesMax - 1, kChunkPlainBytesMax, kChunkPlainBytesMax + 1,
        7 * kChunkPlainBytesMax, 40 * kChunkPlainBytesMax + 333}) {
    SCOPED_TRACE(size);
    const std::string text = text_of_length(size);
    {
      auto file = contents_->create(kTablePath);
      ASSERT_TRUE(file);
      std::mt19937_64 numbers(size);
      for (std::size_t done = 0; done < size;) {
        const std::size_t count = std::min<std::size_t>(size - done, 1 + numbers() % 30'000);
        ASSERT_TRUE((*file)->append(base::as_bytes(text).subspan(done, count)));
        done += count;
        if (numbers() % 4 == 0) {
          ASSERT_TRUE((*file)->sync_most());
        }
        EXPECT_EQ((*file)->size_bytes(), done);
      }
      ASSERT_TRUE((*file)->sync_data());
      ASSERT_TRUE((*file)->close());
    }
    EXPECT_EQ(*contents_->size_of(kTablePath), size);
    EXPECT_EQ(raw(kTablePath).size(),
              kFileHeaderBytes + size +
                  (size + kChunkPlainBytesMax - 1) / kChunkPlainBytesMax * kChunkExtraBytes);
    const auto reader = contents_->open(kTablePath);
    ASSERT_TRUE(reader);
    const auto expect_part = [&](std::uint64_t offset, std::size_t count) {
      const auto part = read(**reader, offset, count);
      ASSERT_TRUE(part) << to_string(part.error());
      EXPECT_TRUE(*part == (offset < size ? text.substr(offset, count) : "")) << offset;
    };
    expect_part(0, size);
    expect_part(0, size + 100);
    expect_part(size, 1);
    expect_part(~0ULL - 5, 100);
    expect_part(0, 0);
    std::mt19937_64 numbers(size);
    for (int round = 0; round < 300; ++round) {
      const std::uint64_t offset = numbers() % (size + 10);
      expect_part(offset, numbers() % (round % 3 == 0 ? size + 20 : 400));
    }
    EXPECT_TRUE(*streamed(kTablePath) == text);
  }
}

TEST_F(SealedContents, OtherFilesEndAChunkAtEachSync) {
  const std::string large = text_of_length(3 * kChunkPlainBytesMax + 5);
  write(kManifestPath, {"one", "two", large, "four"});
  EXPECT_TRUE(*streamed(kManifestPath) == "onetwo" + large + "four");
  EXPECT_TRUE(*streamed(kManifestPath, 1) == "onetwo" + large + "four");
  EXPECT_EQ(*contents_->size_of(kManifestPath), large.size() + 10);
  EXPECT_EQ(raw(kManifestPath).size(), kFileHeaderBytes + large.size() + 10 + 7 * kChunkExtraBytes);
  const auto reader = contents_->open(kManifestPath);  // RocksDB does it, and reads nothing.
  ASSERT_TRUE(reader);
  expect_error((*reader)->read(0, {}), ErrorCode::kInvalidArgument);
}

TEST_F(SealedContents, NothingIsOnTheDiskBeforeSomethingWasAppended) {
  const auto file = contents_->create("base/000009.log");
  ASSERT_TRUE(file);
  ASSERT_TRUE((*file)->sync_data());
  ASSERT_TRUE((*file)->close());
  EXPECT_TRUE(raw("base/000009.log").empty());
  EXPECT_EQ(*contents_->size_of("base/000009.log"), 0U);
  EXPECT_EQ(*streamed("base/000009.log"), "");
}

TEST_F(SealedContents, WhatWasAppendedIsWrittenWhenTheFileIsClosed) {
  const auto file = contents_->create(kOtherPath);
  ASSERT_TRUE(file);
  ASSERT_TRUE((*file)->append(base::as_bytes("x")));
  ASSERT_TRUE((*file)->close());
  EXPECT_EQ(*streamed(kOtherPath), "x");
}

TEST_F(SealedContents, SyncOfAGrowingTableEndsNoChunk) {
  const std::string text = text_of_length(5 * kChunkPlainBytesMax + 1);
  const auto file = contents_->create(kTablePath);
  ASSERT_TRUE(file);
  ASSERT_TRUE((*file)->append(base::as_bytes(text)));
  ASSERT_TRUE((*file)->sync_most());
  EXPECT_EQ(disk_.unsynced_growth(), 0U);
  EXPECT_EQ(raw(kTablePath).size(), kFileHeaderBytes + 5 * kFullChunkBytes);
  ASSERT_TRUE((*file)->sync_data());
  EXPECT_EQ(disk_.unsynced_growth(), 0U);
  expect_error((*file)->append(base::as_bytes("y")), ErrorCode::kInvalidArgument);
  (void)(*file)->close();
  EXPECT_TRUE(*whole_table(kTablePath) == text) << "what was refused is not there";
}

TEST_F(SealedContents, EveryChangedBitOfATableIsAnError) {
  const std::string text = text_of_length(kChunkPlainBytesMax + 40);
  write(kTablePath, {text});
  const Bytes pristine = raw(kTablePath);
  std::mt19937_64 numbers(3);
  for (std::size_t offset = 0; offset < pristine.size(); ++offset) {
    // Every byte of what is not ciphertext and of the short chunk, some of the rest.
    if (offset > kFileHeaderBytes + 100 && offset < kFullChunkBytes && numbers() % 64 != 0) {
      continue;
    }
    Bytes changed = pristine;
    changed[offset] ^= std::byte{1} << (numbers() % 8);
    put_raw(kTablePath, changed);
    EXPECT_FALSE(whole_table(kTablePath)) << offset;
  }
  // A chunk that is whole can be read though its neighbour is not.
  Bytes changed = pristine;
  changed.back() ^= std::byte{1};
  put_raw(kTablePath, changed);
  const auto reader = contents_->open(kTablePath);
  ASSERT_TRUE(reader);
  EXPECT_TRUE(*read(**reader, 0, kChunkPlainBytesMax) == text.substr(0, kChunkPlainBytesMax));
  expect_error(read(**reader, kChunkPlainBytesMax, 1), ErrorCode::kCorruption, kTablePath);
}

TEST_F(SealedContents, EveryChangedBitOfAnotherFileIsAnError) {
  write(kOtherPath, {"one", "twenty-one", "three"});
  const Bytes pristine = raw(kOtherPath);
  for (std::size_t bit = 0; bit < pristine.size() * 8; ++bit) {
    Bytes changed = pristine;
    changed[bit / 8] ^= std::byte{1} << (bit % 8);
    put_raw(kOtherPath, changed);
    EXPECT_FALSE(streamed(kOtherPath)) << "bit " << bit;
  }
}

// What a power loss may leave of the last append to it: any of its sectors, and not the others. It
// is the end; so is what somebody has changed there, who could have cut the file as well.
TEST_F(SealedContents, TheLastChunkOfAManifestMayBeTornAndNoOther) {
  write(kManifestPath, {"one", "twenty-one", "three"});
  const Bytes pristine = raw(kManifestPath);
  const std::size_t last = kFileHeaderBytes + 3 + 10 + 2 * kChunkExtraBytes;
  for (std::size_t bit = 0; bit < pristine.size() * 8; ++bit) {
    Bytes changed = pristine;
    changed[bit / 8] ^= std::byte{1} << (bit % 8);
    put_raw(kManifestPath, changed);
    const auto found = streamed(kManifestPath);
    ASSERT_EQ(found.has_value(), bit / 8 >= last) << "bit " << bit;
    if (found) {
      EXPECT_EQ(*found, "onetwenty-one");
      EXPECT_EQ(*contents_->size_of(kManifestPath), found->size());
    }
  }
  for (std::size_t lost = last; lost <= pristine.size(); ++lost) {
    for (const bool front : {false, true}) {
      Bytes torn = pristine;
      std::fill(torn.begin() + static_cast<std::ptrdiff_t>(front ? last : lost),
                front ? torn.begin() + static_cast<std::ptrdiff_t>(lost) : torn.end(),
                std::byte{0xa5});
      put_raw(kManifestPath, torn);
      const auto found = streamed(kManifestPath);
      ASSERT_TRUE(found) << to_string(found.error());
      EXPECT_EQ(*found, torn == pristine ? "onetwenty-onethree" : "onetwenty-one");
    }
  }
}

// What a crash may leave: the chunks that are whole, and no error.
TEST_F(SealedContents, FileThatIsCutEndsBehindItsLastWholeChunk) {
  write(kManifestPath, {"one", "twenty-one", "three"});
  const Bytes pristine = raw(kManifestPath);
  const std::size_t first = kFileHeaderBytes + 3 + kChunkExtraBytes;
  const std::size_t second = first + 10 + kChunkExtraBytes;
  for (std::size_t size = 0; size < pristine.size(); ++size) {
    for (const bool zeros : {false, true}) {
      Bytes torn(pristine.begin(), pristine.begin() + static_cast<std::ptrdiff_t>(size));
      if (zeros && (size == first || size == second)) {
        torn.resize(size + 700);  // Room that the file system had made.
      }
      put_raw(kManifestPath, torn);
      const std::string expected = size < first ? "" : size < second ? "one" : "onetwenty-one";
      const auto found = streamed(kManifestPath);
      ASSERT_TRUE(found) << size << " " << to_string(found.error());
      EXPECT_EQ(*found, expected) << size;
      EXPECT_EQ(*contents_->size_of(kManifestPath), expected.size());
    }
  }
}

TEST_F(SealedContents, TableThatIsCutIsNeverLonger) {
  const std::string text = text_of_length(2 * kChunkPlainBytesMax + 40);
  write(kTablePath, {text});
  const Bytes pristine = raw(kTablePath);
  std::mt19937_64 numbers(3);
  std::set<std::size_t> sizes;
  for (std::size_t size = 0; size < pristine.size(); size += 1 + numbers() % 100) {
    sizes.insert(size);
  }
  // What is too short for a chunk, behind none, one and two whole ones.
  for (std::size_t rest = 0; rest <= kChunkExtraBytes; ++rest) {
    for (std::size_t chunks = 0; chunks <= 2; ++chunks) {
      sizes.insert(kFileHeaderBytes + chunks * kFullChunkBytes + rest);
    }
  }
  for (const std::size_t size : sizes) {
    put_raw(kTablePath, base::ByteSpan(pristine).first(size));
    const auto plain_bytes = contents_->size_of(kTablePath);
    EXPECT_TRUE(!plain_bytes || *plain_bytes < text.size()) << size;
    const auto found = whole_table(kTablePath);
    EXPECT_TRUE(!found || (found->size() < text.size() && text.starts_with(*found))) << size;
  }
}

// Lengths whose CRC is right are a hostile writer's. None of them is believed.
TEST_F(SealedContents, LengthsThatLieAreErrorsOrTheEnd) {
  write(kManifestPath, {"one", "twenty-one", "three"});
  const Bytes pristine = raw(kManifestPath);
  for (const std::uint32_t length : {0U, 1U, 2U, 4U, 10U, 13U, 1000U, 16384U, 16385U, 1U << 20U,
                                     0x7fff'ffffU, 0xffff'fff0U, 0xffff'ffffU}) {
    Bytes changed = pristine;
    base::store(changed, kFileHeaderBytes, length);
    base::store(changed, kFileHeaderBytes + 4,
                base::crc32c(base::ByteSpan(changed).subspan(kFileHeaderBytes, 4)));
    put_raw(kManifestPath, changed);
    const auto found = streamed(kManifestPath);
    const bool reaches_beyond = length > 100 && length <= kChunkPlainBytesMax;
    EXPECT_EQ(found.has_value(), reaches_beyond) << length;
    EXPECT_TRUE(!found || found->empty()) << length;
    EXPECT_TRUE(!contents_->size_of(kManifestPath) || reaches_beyond || length <= 100) << length;
  }
}

TEST_F(SealedContents, ChunksThatWereMovedDoNotOpen) {
  write(kOtherPath, {"one", "two", "six"});
  const Bytes pristine = raw(kOtherPath);
  const std::size_t size = 3 + kChunkExtraBytes;
  const auto chunk = [&](std::size_t index) {
    return base::ByteSpan(pristine).subspan(kFileHeaderBytes + index * size, size);
  };
  for (const auto& order : std::vector<std::vector<std::size_t>>{
           {1, 0, 2}, {0, 0, 2}, {0, 2}, {1}, {0, 1, 1}, {0, 1, 2, 2}}) {
    Bytes changed(pristine.begin(), pristine.begin() + kFileHeaderBytes);
    for (const std::size_t index : order) {
      base::append_bytes(changed, chunk(index));
    }
    put_raw(kOtherPath, changed);
    expect_error(streamed(kOtherPath), ErrorCode::kCorruption, kOtherPath);
  }
}

TEST_F(SealedContents, FilesOfOthersDoNotOpen) {
  write(kOtherPath, {"one"});
  write(kTablePath, {"one"});
  const Bytes other = raw(kOtherPath);
  // Another store with the same keys; the same store before a generation, and after one was
  // dropped.
  const auto another_store = test_keys(2);
  expect_error(make_sealed_contents(disk_, another_store)->open_stream(kOtherPath),
               ErrorCode::kCorruption, kOtherPath);
  const auto rotated = test_keys(1, 2, 9);
  const auto newer = make_sealed_contents(disk_, rotated);
  EXPECT_TRUE(newer->open_stream(kOtherPath));
  {
    auto file = newer->create("base/IDENTITY");
    ASSERT_TRUE(file);
    ASSERT_TRUE((*file)->append(base::as_bytes("x")));
    ASSERT_TRUE((*file)->close());
  }
  expect_error(contents_->open_stream("base/IDENTITY"), ErrorCode::kKeyUnavailable,
               "base/IDENTITY");
  // A name that says another kind.
  for (const char* path : {kTablePath, kManifestPath, "base/000003.log"}) {
    put_raw(path, other);
    expect_error(contents_->open_stream(path), ErrorCode::kCorruption, "another kind");
    expect_error(contents_->size_of(path), ErrorCode::kCorruption, "another kind");
  }
  // A renamed file is the same file.
  put_raw("base/000005.dbtmp", other);
  EXPECT_EQ(*streamed("base/000005.dbtmp"), "one");
}

TEST_F(SealedContents, NewerVersionIsSaidToBeOne) {
  write(kOtherPath, {"one"});
  Bytes changed = raw(kOtherPath);
  base::store(changed, 8, std::uint32_t{2});
  put_raw(kOtherPath, changed);
  expect_error(contents_->open_stream(kOtherPath), ErrorCode::kCorruption);
  base::store(changed, kFileHeaderBytes - 4,
              base::crc32c(base::ByteSpan(changed).first(kFileHeaderBytes - 4)));
  put_raw(kOtherPath, changed);
  expect_error(contents_->open_stream(kOtherPath), ErrorCode::kUnsupportedVersion, "version 2");
}

TEST_F(SealedContents, PlainAndSealedAreToldApart) {
  const auto plain = make_plain_contents(disk_);
  write(kOtherPath, {"one"});
  write(kTablePath, {"one"});
  expect_error(plain->open_stream(kOtherPath), ErrorCode::kKeyUnavailable, kOtherPath);
  expect_error(plain->open(kTablePath), ErrorCode::kKeyUnavailable, kTablePath);
  for (const std::string& text : {std::string("M"), std::string("MANIFEST-000004\n"),
                                  std::string(1000, '\0'), text_of_length(50'000)}) {
    for (const char* path : {kOtherPath, kTablePath}) {
      put_raw(path, base::as_bytes(text));
      expect_error(contents_->open_stream(path), ErrorCode::kCorruption, "not encrypted");
      expect_error(contents_->open(path), ErrorCode::kCorruption, "not encrypted");
      expect_error(contents_->size_of(path), ErrorCode::kCorruption, "not encrypted");
    }
    EXPECT_TRUE(plain->open_stream(kOtherPath));
  }
}

// A position is sealed once: after an error nobody can know what is on the disk.
TEST_F(SealedContents, NothingIsAppendedAfterAnError) {
  using Append = std::function<Status(FileAppender&)>;
  const std::vector<Append> failing{
      [](FileAppender& file) { return file.sync_data(); },
      [](FileAppender& file) { return file.sync_all(); },
      [](FileAppender& file) { return file.sync_most(); },
      [](FileAppender& file) { return file.append(Bytes(1 << 20)); },
  };
  for (const auto fault :
       {SimulatedDisk::Fault::kNotDone, SimulatedDisk::Fault::kDoneButReported}) {
    for (std::size_t index = 0; index < failing.size(); ++index) {
      SCOPED_TRACE(index);
      const auto file = contents_->create(kManifestPath);
      ASSERT_TRUE(file);
      ASSERT_TRUE((*file)->append(base::as_bytes("one")));
      ASSERT_TRUE((*file)->sync_data());
      ASSERT_TRUE((*file)->append(base::as_bytes("two")));
      disk_.plan_fault(disk_.operations() + 1, fault);
      const Status failed = failing[index](**file);
      disk_.heal();
      ASSERT_FALSE(failed);
      const auto operations = disk_.operations();
      for (const Append& again : failing) {
        const Status refused = again(**file);
        ASSERT_FALSE(refused);
        EXPECT_TRUE(refused.error().injected && refused.error().sys_errno == EIO);
      }
      EXPECT_FALSE((*file)->close());
      EXPECT_EQ(disk_.operations(), operations) << "nothing more was written or synced";
      const auto found = streamed(kManifestPath);
      ASSERT_TRUE(found) << to_string(found.error());
      EXPECT_TRUE(found->starts_with("one"));
    }
  }
}

/// Nothing can be read behind the header.
class BadSectors final : public io::ForwardingFileSystem {
 public:
  using ForwardingFileSystem::ForwardingFileSystem;

  Result<std::unique_ptr<io::File>> open(const std::string& path, io::OpenMode mode) override {
    TRY_ASSIGN(auto file, ForwardingFileSystem::open(path, mode));
    return std::make_unique<BadFile>(std::move(file));
  }

 private:
  class BadFile final : public io::ForwardingFile {
   public:
    using ForwardingFile::ForwardingFile;
    Result<std::size_t> read(std::uint64_t offset, base::MutableByteSpan out) override {
      if (offset < kFileHeaderBytes) {
        return ForwardingFile::read(offset, out);
      }
      return fail(ErrorCode::kIo, "read", EIO);
    }
  };
};

TEST_F(SealedContents, ErrorsOfTheFileSystemStayWhatTheyAre) {
  write(kManifestPath, {"one"});
  write(kTablePath, {"one"});
  BadSectors bad(disk_);
  const auto sealed = make_sealed_contents(bad, keys_);
  Bytes out(10);
  const auto stream = sealed->open_stream(kManifestPath);
  const auto table = sealed->open(kTablePath);
  ASSERT_TRUE(stream && table);
  for (const auto& failed : {(*stream)->read(out), (*table)->read(0, out)}) {
    expect_error(failed, ErrorCode::kIo, "read");
    EXPECT_EQ(failed.error().sys_errno, EIO);
  }
  expect_error(sealed->size_of(kManifestPath), ErrorCode::kIo);
  const auto missing = contents_->open_stream("base/none");
  expect_error(missing, ErrorCode::kNotFound);
  expect_error(contents_->open("base/none.sst"), ErrorCode::kNotFound);
  expect_error(contents_->size_of("base/none"), ErrorCode::kNotFound);
  disk_.plan_fault(disk_.operations() + 1, SimulatedDisk::Fault::kNoSpaceFromHere);
  expect_error(contents_->create(kOtherPath), ErrorCode::kNoSpace);
}

// The bytes of version 1, for ever. PLURESDB_WRITE_GOLDEN=1 writes them anew (a new version).
TEST_F(SealedContents, BytesAreThoseOfVersionOne) {
  const std::string text = text_of_length(kChunkPlainBytesMax + 40, 99);
  generator().seed(1);
  write(kTablePath, {text});
  write(kManifestPath, {"one", "twenty-one"});
  for (const auto& [path, name] : std::initializer_list<std::pair<const char*, const char*>>{
           {kTablePath, "SEALED-TABLE-version-1"}, {kManifestPath, "SEALED-MANIFEST-version-1"}}) {
    const std::string golden_path = std::string(PLURESDB_GOLDEN "/store/") + name;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread.
    if (std::getenv("PLURESDB_WRITE_GOLDEN") != nullptr) {
      ASSERT_TRUE(io::write_file_atomically(io::posix_file_system(), golden_path, raw(path)));
    }
    const auto golden = io::read_whole_file(io::posix_file_system(), golden_path, 1 << 20);
    ASSERT_TRUE(golden) << to_string(golden.error());
    EXPECT_TRUE(*golden == raw(path)) << name;
    put_raw(path, *golden);
  }
  EXPECT_TRUE(*whole_table(kTablePath) == text);
  EXPECT_EQ(*streamed(kManifestPath), "onetwenty-one");
}

TEST_F(SealedContents, EachFileHasItsOwnKeyAlsoUnderAnOldName) {
  std::set<Bytes> different;
  for (int round = 0; round < 3; ++round) {
    write(kOtherPath, {"one"});
    const Bytes bytes = raw(kOtherPath);
    different.insert(Bytes(bytes.begin() + kFileHeaderBytes, bytes.end()));
  }
  EXPECT_EQ(different.size(), 3U);
}

}  // namespace
}  // namespace pluresdb::store
