// What the tests of the keyring share: cheap secrets, a disk in memory, forging.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "engine/base/bytes.h"
#include "engine/crypto/digest.h"
#include "engine/crypto/key_derivation.h"
#include "engine/crypto/keyring.h"
#include "engine/crypto/keyring_format.h"
#include "engine/crypto/secret_bytes.h"
#include "engine/io/file_system.h"
#include "engine/tests/crypto_test_support.h"
#include <pluresdb/error.h>

namespace pluresdb::crypto::testing {

inline constexpr std::int64_t kNow = 1'700'000'000'000'000;

/// "p:text": a password; "d:x", "r:x": a device key or recovery key of 32 times x.
inline Secret secret(std::string_view name) {
  const std::string_view text = name.substr(2);
  if (name.starts_with("p:")) {
    return {.type = SlotType::kPassword, .bytes = secret_of(text)};
  }
  return {.type = name.starts_with("d:") ? SlotType::kDeviceKey : SlotType::kRecoveryKey,
          .bytes = secret_of(std::string(32, text.at(0)))};
}
inline std::vector<Secret> secrets(const std::vector<std::string>& names) {
  std::vector<Secret> result;
  for (const auto& name : names) {
    result.push_back(secret(name));
  }
  return result;
}

/// A stretching that costs nothing.
inline KdfPolicy weak_policy() {
  return KdfPolicy::weak_for_tests({.memory_kib = 8, .passes = 1, .lanes = 1});
}

inline KeyringPlace place_on(io::FileSystem& files, const std::string& directory = "/s") {
  return {.files = files, .directory = directory, .policy = weak_policy()};
}

inline Result<Keyring> unlock(io::FileSystem& files, std::string_view name,
                              Keyring::Access access = Keyring::Access::kReadOnly) {
  return Keyring::unlock(place_on(files), secret(name), access);
}
inline bool opens(io::FileSystem& files, std::string_view name) {
  const auto keyring = unlock(files, name);
  if (!keyring) {
    EXPECT_EQ(keyring.error().code, ErrorCode::kKeyUnavailable) << text_of(keyring);
  }
  return keyring.has_value();
}

/// Directory "/s" with a keyring of two generations: passwords a (the first slot) and b, device key
/// d, recovery key r.
inline Keyring make_keyring(io::FileSystem& files) {
  EXPECT_TRUE(files.create_directory("/s").has_value());
  EXPECT_TRUE(files.sync_directory("/").has_value());
  Keyring keyring =
      got(Keyring::create(place_on(files), store_id(7), secret("p:a"), "slot of a", kNow));
  for (const std::string name : {"p:b", "d:d", "r:r"}) {
    EXPECT_TRUE(keyring.add_slot(secret(name), "slot of " + name.substr(2), kNow).has_value());
  }
  EXPECT_TRUE(keyring.rotate(secrets({"p:a", "p:b", "d:d", "r:r"})).has_value());
  return keyring;
}
/// Its slot "slot of NAME".
inline SlotId slot_of(const Keyring& keyring, std::string_view name) {
  for (const SlotInfo& slot : keyring.status().slots) {
    if (slot.label == fmt::format("slot of {}", name)) {
      return slot.id;
    }
  }
  ADD_FAILURE() << "no slot of " << name;
  return {};
}

inline Bytes contents_of(io::FileSystem& files, const std::string& path) {
  return got(io::read_whole_file(files, path, kKeyringBytesMax + 1));
}
inline void put_file(io::FileSystem& files, const std::string& path, base::ByteSpan bytes) {
  EXPECT_TRUE(io::write_file_atomically(files, path, bytes).has_value());
}
/// As somebody without any key can: the SHA-256 made to fit.
inline void fix_checksum(Bytes& file) {
  const auto end = file.size() - kDigestBytes;
  base::store(file, end, got(sha256(base::ByteSpan(file).first(end))));
}
/// The keyring that an attacker makes of `image`; the HMAC is that of `original`.
inline Bytes forged(const KeyringImage& image, base::ByteSpan original) {
  Bytes bytes = encode_keyring(image);
  EXPECT_TRUE(append_trailer(bytes, base::load<Digest>(mac_of(original), 0)).has_value());
  return bytes;
}

}  // namespace pluresdb::crypto::testing
