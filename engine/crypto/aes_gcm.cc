#include "engine/crypto/aes_gcm.h"

#include <array>
#include <cstddef>
#include <cstring>
#include <limits>
#include <utility>

#include <openssl/evp.h>

#include "engine/base/bytes.h"
#include "engine/base/check.h"
#include "engine/crypto/openssl_support.h"
#include "engine/crypto/secret_bytes.h"
#include <pluresdb/error.h>

namespace pluresdb::crypto {
namespace {

constexpr std::size_t kCallBytesMax = std::numeric_limits<int>::max();  // EVP counts in int.

/// Fetched once: that alone takes as long as sealing a small chunk. Never given back, as OpenSSL's
/// own end may come before that of whoever still holds a context.
const EVP_CIPHER* cipher() {
  static const EVP_CIPHER* const fetched = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  return fetched;
}

const unsigned char* octets(base::ByteSpan bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}
unsigned char* octets(base::MutableByteSpan bytes) {
  return reinterpret_cast<unsigned char*>(bytes.data());
}
const unsigned char* octets(const Nonce& nonce) {
  return reinterpret_cast<const unsigned char*>(nonce.data());
}

bool is_in_place_or_apart(base::ByteSpan from, base::ByteSpan to) {
  return from.data() == to.data() || from.data() + from.size() <= to.data() ||
         to.data() + to.size() <= from.data();
}

}  // namespace

void GcmContext::Free::operator()(evp_cipher_ctx_st* context) const {
  EVP_CIPHER_CTX_free(context);  // Overwrites the key schedule.
}

Result<GcmContext> GcmContext::create(base::ByteSpan key, bool sealing) {
  DB_CHECK(key.size() == kKeyBytes);
  if (cipher() == nullptr) {
    return openssl_failure("find AES-256-GCM");
  }
  Pointer context(EVP_CIPHER_CTX_new());
  const auto initialise = sealing ? EVP_EncryptInit_ex2 : EVP_DecryptInit_ex2;
  if (!context || initialise(context.get(), cipher(), octets(key), nullptr, nullptr) != 1) {
    return openssl_failure("prepare AES-256-GCM");
  }
  return GcmContext(std::move(context));
}

Result<GcmContext> GcmContext::for_sealing(base::ByteSpan key) { return create(key, true); }

Result<GcmContext> GcmContext::for_opening(base::ByteSpan key) { return create(key, false); }

Result<GcmContext> GcmContext::copy() const {
  Pointer context(EVP_CIPHER_CTX_new());
  if (!context || EVP_CIPHER_CTX_copy(context.get(), context_.get()) != 1) {
    return openssl_failure("copy an AES-256-GCM context");
  }
  return GcmContext(std::move(context));
}

Status GcmContext::seal(const Nonce& nonce, base::ByteSpan associated, base::ByteSpan plain,
                        base::MutableByteSpan sealed) {
  DB_CHECK(plain.size() <= kCallBytesMax && associated.size() <= kCallBytesMax);
  DB_CHECK(sealed.size() == plain.size() + kTagBytes);
  DB_CHECK(is_in_place_or_apart(plain, sealed));
  auto* const context = context_.get();
  const auto ciphertext = sealed.first(plain.size());
  const auto tag = sealed.subspan(plain.size());
  int count = 0;
  bool good = EVP_EncryptInit_ex2(context, nullptr, nullptr, octets(nonce), nullptr) == 1;
  if (good && !associated.empty()) {
    good = EVP_EncryptUpdate(context, nullptr, &count, octets(associated),
                             static_cast<int>(associated.size())) == 1;
  }
  if (good && !plain.empty()) {
    good = EVP_EncryptUpdate(context, octets(ciphertext), &count, octets(plain),
                             static_cast<int>(plain.size())) == 1;
  }
  if (!good || EVP_EncryptFinal_ex(context, octets(tag), &count) != 1 ||
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kTagBytes, octets(tag)) != 1) {
    cleanse(ciphertext);
    return openssl_failure("seal with AES-256-GCM");
  }
  return {};
}

Status GcmContext::open(const Nonce& nonce, base::ByteSpan associated, base::ByteSpan sealed,
                        base::MutableByteSpan plain) {
  DB_CHECK(sealed.size() >= kTagBytes && sealed.size() <= kCallBytesMax);
  DB_CHECK(associated.size() <= kCallBytesMax);
  DB_CHECK(plain.size() == sealed.size() - kTagBytes);
  DB_CHECK(is_in_place_or_apart(sealed, plain));
  auto* const context = context_.get();
  const auto ciphertext = sealed.first(plain.size());
  std::array<std::byte, kTagBytes> tag{};
  std::memcpy(tag.data(), sealed.data() + plain.size(), tag.size());
  int count = 0;
  bool good = EVP_DecryptInit_ex2(context, nullptr, nullptr, octets(nonce), nullptr) == 1 &&
              EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kTagBytes, tag.data()) == 1;
  if (good && !associated.empty()) {
    good = EVP_DecryptUpdate(context, nullptr, &count, octets(associated),
                             static_cast<int>(associated.size())) == 1;
  }
  if (good && !plain.empty()) {
    good = EVP_DecryptUpdate(context, octets(plain), &count, octets(ciphertext),
                             static_cast<int>(plain.size())) == 1;
  }
  if (!good) {
    cleanse(plain);
    return openssl_failure("open with AES-256-GCM");
  }
  if (EVP_DecryptFinal_ex(context, octets(base::MutableByteSpan(tag)), &count) != 1) {
    cleanse(plain);
    forget_openssl_errors();
    return fail(ErrorCode::kCorruption, "authentication failed");
  }
  return {};
}

}  // namespace pluresdb::crypto
