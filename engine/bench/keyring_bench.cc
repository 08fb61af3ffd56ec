// What the keys of a store cost: stretching a password, unlocking the keyring of a store with many
// files, renewing its master key, and the key of one file.
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include "engine/base/bytes.h"
#include "engine/bench/bench_directory.h"
#include "engine/core/store_keys.h"
#include "engine/crypto/file_key.h"
#include "engine/crypto/key_derivation.h"
#include "engine/crypto/keyring.h"
#include "engine/io/file_system.h"
#include "engine/wal/segment_access.h"
#include "engine/wal/segment_format.h"
#include <pluresdb/error.h>
#include <pluresdb/keyring.h>

namespace pluresdb::bench {
namespace {

constexpr std::array<std::byte, crypto::kKeyBytes> kDeviceKey = {std::byte{7}};
constexpr const char* kPassword = "correct horse battery staple";
constexpr int kFew = 10;
constexpr int kSome = 1'000;
constexpr int kMany = 10'000;

/// A keyring and the first bytes of `segments` segments, whose headers name it; null keyring: not
/// made. Of a segment no more is read to unlock.
class Store {
 public:
  Store(bool has_password, std::int64_t segments)
      : secret_(has_password ? StoreSecret::password(kPassword)
                             : StoreSecret::device_key(kDeviceKey)) {
    if (!secret_ || !files_.create_directory(place_.wal_directory)) {
      return;
    }
    auto made = core::make_keys(place_, &*secret_, {std::byte{1}}, 0);
    if (!made) {
      return;
    }
    for (std::int64_t i = 1; i <= segments; ++i) {
      if (!write_segment((*made)->master_keys(), static_cast<std::uint64_t>(i))) {
        return;
      }
    }
    keyring_ = *std::move(made);
  }

  crypto::Keyring* keyring() { return keyring_.get(); }
  [[nodiscard]] std::span<const crypto::Secret> readings() const { return secret_->readings(); }
  [[nodiscard]] std::string segment(std::uint64_t id) const {
    return io::join_path(place_.wal_directory, wal::segment_name(id));
  }
  [[nodiscard]] bool unlocks() const {
    return core::unlock_keys(place_, &*secret_, crypto::Keyring::Access::kOwner).has_value();
  }

 private:
  Status write_segment(const crypto::MasterKeys& keys, std::uint64_t id) {
    wal::SegmentHeader header;
    header.id = id;
    std::array<std::byte, wal::kSegmentHeaderBytes> bytes{};
    header.envelope.emplace();
    wal::encode_segment_header(header, bytes);
    TRY_ASSIGN(const auto key, crypto::seal_file_key(keys, wal::part_bound_to_envelope(bytes)));
    header.envelope = key.envelope;
    wal::encode_segment_header(header, bytes);
    TRY_ASSIGN(const auto file, files_.open(segment(id), io::OpenMode::kCreateNew));
    TRY(file->write(0, bytes));
    return file->close();
  }

  io::FileSystem& files_ = io::posix_file_system();
  BenchDirectory directory_;
  core::KeyPlace place_{.files = files_,
                        .directory = directory_.path(),
                        .wal_directory = directory_.path() + "/wal",
                        .base_directory = {}};
  Result<StoreSecret> secret_;
  std::unique_ptr<crypto::Keyring> keyring_;
};

/// One guess of a password: Argon2id with the parameters of new slots.
void stretch_password(benchmark::State& state) {
  const auto password = base::as_bytes(kPassword);
  while (state.KeepRunning()) {
    const auto key = crypto::argon2id({.password = password, .salt = password, .associated = {}},
                                      crypto::KdfPolicy().for_new_slots());
    if (!key) {
      state.SkipWithError("argon2id failed");
      break;
    }
  }
}
BENCHMARK(stretch_password)->Unit(benchmark::kMillisecond)->UseRealTime();

/// Keyring and headers are read, nothing else. range(0): 0 a device key, 1 a password.
void unlock_keyring(benchmark::State& state) {
  Store store(state.range(0) != 0, state.range(1));
  while (state.KeepRunning()) {
    if (store.keyring() == nullptr || !store.unlocks()) {
      state.SkipWithError("unlock failed");
      break;
    }
  }
}
BENCHMARK(unlock_keyring)
    ->ArgNames({"password", "segments"})
    ->ArgsProduct({{0, 1}, {kFew, kSome, kMany}})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

/// A new master key; the only slot stays. Old generations go beside the clock.
void rotate_keyring(benchmark::State& state) {
  Store store(false, state.range(0));
  while (state.KeepRunning()) {
    if (store.keyring() == nullptr || !store.keyring()->rotate(store.readings().first(1))) {
      state.SkipWithError("rotate failed");
      break;
    }
    state.PauseTiming();
    if (!store.keyring()->drop_generations(store.keyring()->master_keys().version().generation)) {
      state.SkipWithError("drop failed");
      break;
    }
    state.ResumeTiming();
  }
}
BENCHMARK(rotate_keyring)
    ->ArgName("segments")
    ->Arg(kFew)
    ->Arg(kSome)
    ->Arg(kMany)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

/// The header of one segment: read, its data key unwrapped, proven.
void open_segment_header(benchmark::State& state) {
  Store store(false, 1);
  const auto file = io::posix_file_system().open(store.segment(1), io::OpenMode::kRead);
  while (state.KeepRunning()) {
    if (store.keyring() == nullptr || !file ||
        !wal::open_header(**file, 1, "segment", &store.keyring()->master_keys())) {
      state.SkipWithError("open failed");
      break;
    }
  }
}
BENCHMARK(open_segment_header);

}  // namespace
}  // namespace pluresdb::bench
