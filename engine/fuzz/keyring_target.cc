// Goal: no bytes make the keyring's reader fail otherwise than by an error, and none unlocks that
// the owner of the master key has not written. Method: a genuine keyring that is changed with its
// checksum made to fit, and keyrings of any fields. docs/formats/keyring.md.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/crypto/digest.h"
#include "engine/crypto/key_derivation.h"
#include "engine/crypto/keyring.h"
#include "engine/crypto/keyring_file.h"
#include "engine/crypto/keyring_format.h"
#include "engine/crypto/master_keys.h"
#include "engine/crypto/secret_bytes.h"
#include "engine/fuzz/driver/target.h"
#include "engine/fuzz/fixed_random.h"
#include "engine/fuzz/memory_files.h"
#include "engine/fuzz/support.h"
#include "engine/fuzz/targets.h"
#include <pluresdb/error.h>

namespace pluresdb::fuzz {
namespace {

using crypto::Keyring;
using crypto::Secret;
using crypto::SlotType;

constexpr const char* kDirectory = "/s";
constexpr const char* kFirst = "/s/keyring";
constexpr const char* kSecond = "/s/keyring.bak";
constexpr std::int64_t kNow = 1'700'000'000'000'000;
// What a password in a forged file may cost here; the policy's own limits are those of a real
// store.
constexpr std::uint32_t kStretchKibMax = 64;

Secret secret_of(SlotType type, std::string_view text) {
  return {.type = type,
          .bytes = must_give(crypto::SecretBytes::copy_of(base::as_bytes(text)), "a secret")};
}
const Secret& device_secret() {
  static const Secret secret = secret_of(SlotType::kDeviceKey, std::string(32, 'd'));
  return secret;
}
const Secret& password_secret() {
  static const Secret secret = secret_of(SlotType::kPassword, "pass");
  return secret;
}

crypto::KeyringPlace place_of(MemoryFiles& files) {
  return {.files = files,
          .directory = kDirectory,
          .policy = crypto::KdfPolicy::weak_for_tests({.memory_kib = 8, .passes = 1, .lanes = 1})};
}

/// Two generations; a password, a device key, a stale recovery key, a revoked device key.
const Bytes& genuine_keyring() {
  static const Bytes bytes = [] {
    restart_random(1);
    MemoryFiles files;
    const auto place = place_of(files);
    crypto::StoreId store{};
    store.fill(std::byte{7});
    Keyring keyring = must_give(Keyring::create(place, store, device_secret(), "device", kNow),
                                "a keyring is made");
    for (const auto& [type, text] : {std::pair(SlotType::kPassword, std::string("pass")),
                                     std::pair(SlotType::kRecoveryKey, std::string(32, 'r')),
                                     std::pair(SlotType::kDeviceKey, std::string(32, 'x'))}) {
      must_hold(keyring.add_slot(secret_of(type, text), "more", kNow).has_value(), "a slot more");
    }
    const crypto::SlotId revoked = keyring.status().slots.back().id;
    std::vector<Secret> survivors;
    survivors.push_back(secret_of(SlotType::kDeviceKey, std::string(32, 'd')));
    survivors.push_back(secret_of(SlotType::kPassword, "pass"));
    must_hold(keyring.revoke(revoked, survivors, kNow).has_value(), "a slot is revoked");
    return files.contents(kFirst);
  }();
  return bytes;
}

/// As somebody without a key can: length and SHA-256 fit.
void fit_checksum(Bytes& file) {
  constexpr std::size_t kLengthOffset = 12;
  if (file.size() < kLengthOffset + sizeof(std::uint32_t) + crypto::kDigestBytes) {
    return;
  }
  base::store(file, kLengthOffset, static_cast<std::uint32_t>(file.size()));
  const std::size_t end = file.size() - crypto::kDigestBytes;
  base::store(file, end, must_give(crypto::sha256(base::ByteSpan(file).first(end)), "SHA-256"));
}

void append_filled(Input& input, std::size_t count, Bytes& out) {
  out.resize(out.size() + count, input.read<std::byte>());
}

void append_slot(Input& input, std::size_t index, Bytes& out) {
  append_filled(input, crypto::kSlotIdBytes - 1, out);
  base::append(out, static_cast<std::uint8_t>(index));
  base::append(out, static_cast<std::uint8_t>(1 + input.pick(4)));  // Type: one is unknown.
  base::append(out, static_cast<std::uint8_t>(1 + input.pick(3)));  // State, too.
  base::append(out, static_cast<std::uint16_t>(input.flag() ? input.number() : 0));
  const bool is_stretched = input.flag();
  for (int parameter = 0; parameter < 3; ++parameter) {
    base::append(out, is_stretched ? static_cast<std::uint32_t>(input.number()) : 0U);
  }
  append_filled(input, crypto::kSaltBytes, out);
  base::append(out, input.number());
  append_filled(input, crypto::kWrappedKeyBytes, out);
  append_filled(input, crypto::kSaltBytes, out);
  append_filled(input, crypto::kSealedLabelBytes, out);
}

/// A file of the right size, of any fields; `input` says which of them are wrong.
Bytes made_keyring(Input& input) {
  const std::array<std::size_t, 3> counts = {input.pick(crypto::kSlotsMax + 2), input.pick(68),
                                             input.pick(8)};
  Bytes file;
  base::append(file, base::load<std::uint64_t>(genuine_keyring(), 0));  // Magic.
  base::append(file, static_cast<std::uint16_t>(1 + (input.pick(16) == 1 ? input.number() : 0)));
  base::append(file, static_cast<std::uint16_t>(1 + (input.pick(16) == 1 ? input.number() : 0)));
  base::append(file, std::uint32_t{0});
  append_filled(input, crypto::kStoreIdBytes, file);
  base::append(file, input.number());
  base::append(file, static_cast<crypto::Generation>(input.number()));
  for (const std::size_t count : counts) {
    const std::uint64_t more = input.pick(16) == 1 ? input.number() : 0;
    base::append(file, static_cast<std::uint16_t>(count + more));
  }
  file.resize(64);  // Reserved.
  for (std::size_t i = 0; i < counts[0]; ++i) {
    append_slot(input, i, file);
  }
  for (std::size_t i = 0; i < counts[1]; ++i) {
    base::append(file, static_cast<crypto::Generation>(i + input.number()));
    base::append(file, static_cast<std::uint32_t>(input.pick(2)));
    append_filled(input, crypto::kWrappedKeyBytes, file);
  }
  for (std::size_t i = 0; i < counts[2]; ++i) {
    append_filled(input, crypto::kSlotIdBytes, file);
    base::append(file, input.number());
    base::append(file, static_cast<crypto::Generation>(input.number()));
    base::append(file, static_cast<std::uint32_t>(input.pick(2)));
  }
  file.resize(file.size() + 2 * crypto::kDigestBytes);
  return file;
}

/// What is parsed, written again, is what was there; and nothing that is parsed is out of bounds.
void check_parsing(const Bytes& file) {
  const auto policy = crypto::KdfPolicy::weak_for_tests({.memory_kib = 8, .passes = 1, .lanes = 1});
  if (!must_give(crypto::is_whole_keyring(file), "SHA-256")) {
    return;
  }
  const auto image = crypto::parse_keyring(file, policy);
  if (!image) {
    must_hold(image.error().code == ErrorCode::kCorruption ||
                  image.error().code == ErrorCode::kUnsupportedVersion,
              "a whole keyring is damaged or of another version, or it is parsed");
    return;
  }
  Bytes again = crypto::encode_keyring(*image);
  must_hold(std::ranges::equal(again, crypto::authenticated_part(file)),
            "a parsed keyring is written as it was");
  const auto mac = base::load<crypto::Digest>(crypto::mac_of(file), 0);
  must_hold(crypto::append_trailer(again, mac).has_value() && again == file,
            "the trailer is that of the file");
}

/// A password is tried only where that costs nothing.
bool is_cheap(const Bytes& file) {
  const auto policy = crypto::KdfPolicy::weak_for_tests({.memory_kib = 8, .passes = 1, .lanes = 1});
  if (!must_give(crypto::is_whole_keyring(file), "SHA-256")) {
    return true;
  }
  const auto image = crypto::parse_keyring(file, policy);
  return !image || std::ranges::all_of(image->slots, [](const crypto::SlotRecord& slot) {
    return slot.kdf.memory_kib <= kStretchKibMax && slot.kdf.passes <= 2 && slot.kdf.lanes <= 4;
  });
}

void check_unlocking(const Bytes& first, const Bytes& second, const Secret& secret,
                     Keyring::Access access) {
  MemoryFiles files;
  if (!first.empty()) {
    files.put(kFirst, first);
  }
  if (!second.empty()) {
    files.put(kSecond, second);
  }
  const auto place = place_of(files);
  const auto status = crypto::examine_keyring(place);
  const auto keyring = Keyring::unlock(place, secret, access);
  if (!keyring) {
    const ErrorCode code = keyring.error().code;
    must_hold(code == ErrorCode::kCorruption || code == ErrorCode::kKeyUnavailable ||
                  code == ErrorCode::kUnsupportedVersion || code == ErrorCode::kNotFound,
              "a keyring that does not unlock says why");
    return;
  }
  const bool first_counts = must_give(crypto::is_whole_keyring(first), "SHA-256");
  must_hold((first_counts ? first : second) == genuine_keyring(),
            "what unlocks was written by who has the master key");
  must_hold(status.has_value() && keyring->status().slots.size() == status->slots.size(),
            "what unlocks can be examined");
  must_hold(access == Keyring::Access::kReadOnly || (files.contents(kFirst) == genuine_keyring() &&
                                                     files.contents(kSecond) == genuine_keyring()),
            "the owner repairs both copies");
}

void run_keyring(fuzzing::ByteSpan bytes) {
  const Bytes& genuine = genuine_keyring();
  restart_random(2);
  Input input(bytes);
  const auto access = input.flag() ? Keyring::Access::kOwner : Keyring::Access::kReadOnly;
  const std::size_t second = input.pick(3);
  Bytes file;
  switch (input.pick(3)) {
    case 0: {
      file = genuine;
      // Header, slots, generation, tombstone, trailer.
      constexpr std::array<std::uint64_t, 8> kPlaces = {0, 32, 64, 104, 360, 656, 952, 1072};
      const bool fits = input.flag();
      while (!input.empty()) {
        change(input, kPlaces, file);
      }
      if (fits) {
        fit_checksum(file);
      }
      break;
    }
    case 1:
      file = made_keyring(input);
      fit_checksum(file);
      break;
    default: {
      const auto rest = input.rest();
      file.assign(rest.begin(), rest.end());
      break;
    }
  }
  check_parsing(file);
  const Bytes backup = second == 0 ? Bytes{} : second == 1 ? genuine : file;
  check_unlocking(file, backup, device_secret(), access);
  if (is_cheap(file)) {
    check_unlocking(file, backup, password_secret(), access);
  }
}

std::vector<Seed> keyring_seeds() {
  SeedBytes made;
  made.add_each({0, 0, 1, 2, 1, 1, 0, 0, 7, 3, 2, 0, 0, 0});
  for (int slot = 0; slot < 2; ++slot) {
    made.add_each({9, slot, 0, 0, 0, slot == 0 ? 1 : 0, 8, 1, 1, slot == 0 ? 5 : 0, 1, 2, 3, 4});
  }
  made.add_each({1, 0, 6, 8, 9, 1, 0});
  return {
      {.name = "seed-genuine", .bytes = SeedBytes().add_each({1, 1, 0, 0}).bytes()},
      {.name = "seed-forged-count",
       .bytes = SeedBytes().add_each({0, 0, 0, 1, 5, 1, 12, 0, 3}).bytes()},
      {.name = "seed-forged-state",
       .bytes = SeedBytes().add_each({0, 1, 0, 1, 5, 2, 17, 0, 2}).bytes()},
      {.name = "seed-cut-off", .bytes = SeedBytes().add_each({1, 2, 0, 0, 0, 6, 10}).bytes()},
      {.name = "seed-made", .bytes = made.bytes()},
      {.name = "seed-raw", .bytes = SeedBytes().add_each({0, 0, 2}).add_text("PDBKEYRG").bytes()},
  };
}

}  // namespace

fuzzing::Target keyring_target() {
  return {.name = "keyring", .run = run_keyring, .seeds = keyring_seeds, .mutations = 4000};
}

}  // namespace pluresdb::fuzz
