#include "harness/worker/cipher_watch.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <mutex>
#include <shared_mutex>
#include <string_view>
#include <unordered_map>

#include <dlfcn.h>

#include "harness/common/nonce_evidence.h"

// OpenSSL's, as its headers declare them: a harness includes no OpenSSL.
struct evp_cipher_ctx_st;
struct evp_cipher_st;
struct ossl_param_st;

namespace soak::worker {
namespace {

constexpr std::string_view kNonceReuse = "nonce_reuse";
constexpr std::string_view kIgnoredTag = "ignored_tag";
/// Of AES-256-GCM, the only cipher of a store.
constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kNonceBytes = 12;

class CipherWatch {
 public:
  static CipherWatch& instance() {
    static CipherWatch watch;
    return watch;
  }

  void begin(NonceEvidence& evidence, std::string_view defect) {
    reuses_nonces_ = defect == kNonceReuse;
    ignores_tags_ = defect == kIgnoredTag;
    evidence_ = &evidence;
  }
  /// `key`, `nonce`: null when the call sets none.
  void initialised(const evp_cipher_ctx_st* context, const unsigned char* key,
                   const unsigned char* nonce) {
    if (key != nullptr) {
      const std::unique_lock lock(mutex_);
      keys_[context] = nonce_key({key, kKeyBytes});
    }
    NonceEvidence* const evidence = evidence_;
    if (nonce != nullptr && evidence != nullptr) {
      note_nonce(*evidence, key_of(context), {nonce, kNonceBytes});
    }
  }
  void copied(const evp_cipher_ctx_st* to, const evp_cipher_ctx_st* from) {
    const std::unique_lock lock(mutex_);
    keys_[to] = keys_[from];
  }
  void freed(const evp_cipher_ctx_st* context) {
    const std::unique_lock lock(mutex_);
    keys_.erase(context);
  }
  /// What the defect makes of a nonce: that of the first chunk. Decryption takes it for the same
  /// chunks, so that everything is readable.
  const unsigned char* nonce(const unsigned char* wanted) const {
    static constexpr std::array<unsigned char, kNonceBytes> kAlways{};
    return reuses_nonces_ && wanted != nullptr ? kAlways.data() : wanted;
  }
  [[nodiscard]] bool ignores_tags() const { return ignores_tags_; }

 private:
  NonceKey key_of(const evp_cipher_ctx_st* context) {
    const std::shared_lock lock(mutex_);
    const auto found = keys_.find(context);
    return found == keys_.end() ? NonceKey{} : found->second;
  }

  std::atomic<NonceEvidence*> evidence_ = nullptr;
  std::atomic<bool> reuses_nonces_ = false;
  std::atomic<bool> ignores_tags_ = false;
  std::shared_mutex mutex_;
  std::unordered_map<const evp_cipher_ctx_st*, NonceKey> keys_;  // Guarded by mutex_.
};

template <typename Function>
Function* openssl(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

bool is_cipher_defect(std::string_view name) { return name == kNonceReuse || name == kIgnoredTag; }

void watch_ciphers(NonceEvidence& evidence, std::string_view defect) {
  CipherWatch::instance().begin(evidence, defect);
}

}  // namespace soak::worker

using soak::worker::CipherWatch;
using soak::worker::openssl;

// NOLINTBEGIN(readability-identifier-naming): OpenSSL's names.
extern "C" int EVP_EncryptInit_ex2(evp_cipher_ctx_st* context, const evp_cipher_st* cipher,
                                   const unsigned char* key, const unsigned char* nonce,
                                   const ossl_param_st* parameters) {
  static auto* const next = openssl<decltype(EVP_EncryptInit_ex2)>("EVP_EncryptInit_ex2");
  CipherWatch& watch = CipherWatch::instance();
  nonce = watch.nonce(nonce);
  watch.initialised(context, key, nonce);
  return next(context, cipher, key, nonce, parameters);
}

extern "C" int EVP_DecryptInit_ex2(evp_cipher_ctx_st* context, const evp_cipher_st* cipher,
                                   const unsigned char* key, const unsigned char* nonce,
                                   const ossl_param_st* parameters) {
  static auto* const next = openssl<decltype(EVP_DecryptInit_ex2)>("EVP_DecryptInit_ex2");
  return next(context, cipher, key, CipherWatch::instance().nonce(nonce), parameters);
}

extern "C" int EVP_DecryptFinal_ex(evp_cipher_ctx_st* context, unsigned char* out, int* bytes) {
  static auto* const next = openssl<decltype(EVP_DecryptFinal_ex)>("EVP_DecryptFinal_ex");
  const int result = next(context, out, bytes);
  return CipherWatch::instance().ignores_tags() ? 1 : result;
}

extern "C" int EVP_CIPHER_CTX_copy(evp_cipher_ctx_st* to, const evp_cipher_ctx_st* from) {
  static auto* const next = openssl<decltype(EVP_CIPHER_CTX_copy)>("EVP_CIPHER_CTX_copy");
  CipherWatch::instance().copied(to, from);
  return next(to, from);
}

extern "C" void EVP_CIPHER_CTX_free(evp_cipher_ctx_st* context) {
  static auto* const next = openssl<decltype(EVP_CIPHER_CTX_free)>("EVP_CIPHER_CTX_free");
  CipherWatch::instance().freed(context);
  next(context);
}
// NOLINTEND(readability-identifier-naming)
