#include "engine/crypto/key_derivation.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <argon2.h>
#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "engine/base/bytes.h"
#include "engine/base/check.h"
#include "engine/crypto/openssl_support.h"
#include "engine/crypto/secret_bytes.h"
#include <pluresdb/error.h>

namespace pluresdb::crypto {
namespace {

constexpr std::uint32_t kMemoryKibMax = 1U << 20;  // 1 GiB.
constexpr std::uint32_t kPassesMax = 16;
constexpr std::uint32_t kLanesMax = 16;
constexpr std::uint32_t kMemoryKibPerLane = 8;             // Argon2's own lower limit.
constexpr std::uint64_t kMemoryKibTimesPasses = 4U << 20;  // 4 GiB written: seconds.
// OWASP's floor.
constexpr Argon2Parameters kWeakestNewSlot = {.memory_kib = 19U << 10, .passes = 2, .lanes = 1};
constexpr std::size_t kHkdfBytesMax = std::size_t{255} * 32;  // RFC 5869.

bool in_bounds(const Argon2Parameters& parameters) {
  return parameters.passes >= 1 && parameters.passes <= kPassesMax && parameters.lanes >= 1 &&
         parameters.lanes <= kLanesMax &&
         parameters.memory_kib >= kMemoryKibPerLane * parameters.lanes &&
         parameters.memory_kib <= kMemoryKibMax &&
         std::uint64_t{parameters.memory_kib} * parameters.passes <= kMemoryKibTimesPasses;
}

std::string text_of(const Argon2Parameters& parameters) {
  return fmt::format("Argon2id with {} KiB, {} passes, {} lanes", parameters.memory_kib,
                     parameters.passes, parameters.lanes);
}

struct FreeKdfContext {
  void operator()(EVP_KDF_CTX* context) const { EVP_KDF_CTX_free(context); }
};

/// Never given back: it lives as long as the process, and OpenSSL's own end may come first.
EVP_KDF* hkdf_algorithm() {
  static EVP_KDF* const algorithm = EVP_KDF_fetch(nullptr, OSSL_KDF_NAME_HKDF, nullptr);
  return algorithm;
}

/// OpenSSL takes what it only reads as pointers to what could change.
std::uint8_t* readable(base::ByteSpan bytes) {
  return reinterpret_cast<std::uint8_t*>(const_cast<std::byte*>(bytes.data()));
}

std::uint32_t length_of(base::ByteSpan bytes) {
  DB_CHECK(bytes.size() <= std::numeric_limits<std::uint32_t>::max());
  return static_cast<std::uint32_t>(bytes.size());
}

/// None is the beginning of another, also with the zero byte that follows.
const char* label_of(KeyPurpose purpose) {
  switch (purpose) {
    case KeyPurpose::kSlot:
      return "pluresdb/1/slot";
    case KeyPurpose::kGeneration:
      return "pluresdb/1/generation";
    case KeyPurpose::kFile:
      return "pluresdb/1/file";
    case KeyPurpose::kLabel:
      return "pluresdb/1/label";
    case KeyPurpose::kKeyringMac:
      return "pluresdb/1/keyring-mac";
    case KeyPurpose::kStoreMac:
      return "pluresdb/1/store-mac";
  }
  DB_CHECK(false);
}

}  // namespace

Result<KdfPolicy> KdfPolicy::create(const Argon2Parameters& for_new_slots) {
  if (!in_bounds(for_new_slots) || for_new_slots.memory_kib < kWeakestNewSlot.memory_kib ||
      for_new_slots.passes < kWeakestNewSlot.passes) {
    return fail(ErrorCode::kInvalidArgument,
                text_of(for_new_slots) + " is too weak, or more than this program does");
  }
  KdfPolicy policy;
  policy.for_new_slots_ = for_new_slots;
  return policy;
}

KdfPolicy KdfPolicy::weak_for_tests(const Argon2Parameters& for_new_slots) {
  KdfPolicy policy;
  policy.for_new_slots_ = for_new_slots;
  policy.stored_memory_kib_min_ = 0;
  return policy;
}

Status KdfPolicy::check_stored(const Argon2Parameters& parameters) const {
  if (!in_bounds(parameters) || parameters.memory_kib < stored_memory_kib_min_) {
    return fail(ErrorCode::kCorruption, text_of(parameters) + ": out of bounds");
  }
  return {};
}

Result<SecretBytes> argon2id(const Argon2Input& input, const Argon2Parameters& parameters) {
  if (!in_bounds(parameters)) {
    return fail(ErrorCode::kInvalidArgument, text_of(parameters) + ": out of bounds");
  }
  TRY_ASSIGN(SecretBytes out, SecretBytes::zeros(kStretchedBytes));
  argon2_context context{};
  context.out = reinterpret_cast<std::uint8_t*>(out.mutable_bytes().data());
  context.outlen = kStretchedBytes;
  context.pwd = readable(input.password);
  context.pwdlen = length_of(input.password);
  context.salt = readable(input.salt);
  context.saltlen = length_of(input.salt);
  context.secret = readable(input.key);
  context.secretlen = length_of(input.key);
  context.ad = readable(input.associated);
  context.adlen = length_of(input.associated);
  context.t_cost = parameters.passes;
  context.m_cost = parameters.memory_kib;
  context.lanes = parameters.lanes;
  context.threads = parameters.lanes;
  context.version = ARGON2_VERSION_13;
  // The library overwrites its working memory by itself; what it is given is the caller's.
  context.flags = ARGON2_DEFAULT_FLAGS;
  if (const int outcome = argon2id_ctx(&context); outcome != ARGON2_OK) {
    const bool is_input = outcome == ARGON2_SALT_TOO_SHORT;
    return fail(is_input ? ErrorCode::kInvalidArgument : ErrorCode::kKeyUnavailable,
                text_of(parameters) + ": " + argon2_error_message(outcome));
  }
  return out;
}

Status hkdf_sha256(base::ByteSpan key, base::ByteSpan salt, base::ByteSpan info,
                   base::MutableByteSpan out) {
  if (key.empty() || out.empty() || out.size() > kHkdfBytesMax) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("HKDF of {} bytes from {}", out.size(), key.size()));
  }
  if (hkdf_algorithm() == nullptr) {
    return openssl_failure("find HKDF");
  }
  const std::unique_ptr<EVP_KDF_CTX, FreeKdfContext> context(EVP_KDF_CTX_new(hkdf_algorithm()));
  if (!context) {
    return openssl_failure("prepare HKDF");
  }
  std::array digest{'S', 'H', 'A', '2', '5', '6', '\0'};
  std::vector<OSSL_PARAM> parameters{
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest.data(), 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, readable(key), key.size())};
  if (!salt.empty()) {
    parameters.push_back(
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, readable(salt), salt.size()));
  }
  if (!info.empty()) {
    parameters.push_back(
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, readable(info), info.size()));
  }
  parameters.push_back(OSSL_PARAM_construct_end());
  if (EVP_KDF_derive(context.get(), reinterpret_cast<unsigned char*>(out.data()), out.size(),
                     parameters.data()) != 1) {
    return openssl_failure("HKDF");
  }
  return {};
}

Status derive(KeyPurpose purpose, base::ByteSpan key, base::ByteSpan salt, base::ByteSpan context,
              base::MutableByteSpan out) {
  std::vector<std::byte> info;
  base::append_bytes(info, base::as_bytes(label_of(purpose)));
  base::append(info, std::byte{0});
  base::append_bytes(info, context);
  return hkdf_sha256(key, salt, info, out);
}

}  // namespace pluresdb::crypto
