#include "engine/crypto/secret_bytes.h"

#include <cstddef>
#include <cstring>
#include <utility>

#include <openssl/crypto.h>

#include "engine/base/bytes.h"
#include "engine/base/check.h"
#include "engine/crypto/openssl_support.h"
#include "engine/crypto/random.h"
#include <pluresdb/error.h>

namespace pluresdb::crypto {
namespace {

// Room for the keys of some ten thousand files, and an eighth of the usual RLIMIT_MEMLOCK.
constexpr std::size_t kSecretHeapBytes = 1ULL << 20;
constexpr std::size_t kSmallestSecretBytes = 32;

SecretMemory set_heap_aside() {
  // 1: locked; 2: could not be locked; 0: failed, or the host has made one of which nothing is
  // known.
  const int outcome = CRYPTO_secure_malloc_init(kSecretHeapBytes, kSmallestSecretBytes);
  forget_openssl_errors();
  return outcome == 1 ? SecretMemory::kLocked : SecretMemory::kNotLocked;
}

}  // namespace

SecretMemory prepare_secret_memory() {
  static const SecretMemory memory = set_heap_aside();
  return memory;
}

SecretBytes::SecretBytes(std::byte* data, std::size_t size_bytes)
    : data_(data), size_bytes_(size_bytes), capacity_bytes_(size_bytes) {}

SecretBytes::~SecretBytes() { release(); }

SecretBytes::SecretBytes(SecretBytes&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_bytes_(std::exchange(other.size_bytes_, 0)),
      capacity_bytes_(std::exchange(other.capacity_bytes_, 0)) {}

SecretBytes& SecretBytes::operator=(SecretBytes&& other) noexcept {
  if (this != &other) {
    release();
    data_ = std::exchange(other.data_, nullptr);
    size_bytes_ = std::exchange(other.size_bytes_, 0);
    capacity_bytes_ = std::exchange(other.capacity_bytes_, 0);
  }
  return *this;
}

void SecretBytes::release() { OPENSSL_secure_clear_free(data_, capacity_bytes_); }

Result<SecretBytes> SecretBytes::zeros(std::size_t size_bytes) {
  if (size_bytes == 0) {
    return SecretBytes();
  }
  (void)prepare_secret_memory();
  void* const data = OPENSSL_secure_zalloc(size_bytes);
  if (data == nullptr) {
    return openssl_failure("memory for secrets is used up");
  }
  return SecretBytes(static_cast<std::byte*>(data), size_bytes);
}

Result<SecretBytes> SecretBytes::copy_of(base::ByteSpan bytes) {
  TRY_ASSIGN(SecretBytes copy, zeros(bytes.size()));
  if (!bytes.empty()) {
    std::memcpy(copy.data_, bytes.data(), bytes.size());
  }
  return copy;
}

Result<SecretBytes> SecretBytes::random(std::size_t size_bytes) {
  TRY_ASSIGN(SecretBytes secret, zeros(size_bytes));
  TRY(fill_with_key_material(secret.mutable_bytes()));
  return secret;
}

void SecretBytes::shrink(std::size_t size_bytes) {
  DB_CHECK(size_bytes <= size_bytes_);
  cleanse(mutable_bytes().subspan(size_bytes));
  size_bytes_ = size_bytes;
}

void cleanse(base::MutableByteSpan bytes) { OPENSSL_cleanse(bytes.data(), bytes.size()); }

bool equal_in_constant_time(base::ByteSpan left, base::ByteSpan right) {
  if (left.size() != right.size()) {
    return false;
  }
  return left.empty() || CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

}  // namespace pluresdb::crypto
