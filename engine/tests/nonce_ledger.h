// Collects every pair of AES-GCM key and nonce that the engine encrypts with: the including program
// stands between the engine and OpenSSL. For one file of a test; links with ${CMAKE_DL_LIBS}.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include <dlfcn.h>

namespace pluresdb::nonce_test {

/// Every pair since the last clear(). Thread: any, RocksDB merges in threads of its own.
class NonceLedger {
 public:
  static NonceLedger& instance() {
    static NonceLedger ledger;
    return ledger;
  }
  void note(const void* context, const unsigned char* key, const unsigned char* nonce) {
    const std::lock_guard lock(mutex_);
    if (key != nullptr) {
      keys_[context] = std::string(reinterpret_cast<const char*>(key), 32);
    }
    if (nonce != nullptr) {
      ++uses_;
      auto pair = std::pair(keys_[context], std::string(reinterpret_cast<const char*>(nonce), 12));
      repeated_ += pairs_.insert(std::move(pair)).second ? 0U : 1U;
    }
  }
  void clear() {
    const std::lock_guard lock(mutex_);
    pairs_.clear();
    uses_ = repeated_ = 0;
  }
  [[nodiscard]] std::uint64_t uses() const { return uses_; }
  [[nodiscard]] std::uint64_t repeated() const { return repeated_; }

 private:
  std::mutex mutex_;
  std::map<const void*, std::string> keys_;
  std::set<std::pair<std::string, std::string>> pairs_;
  std::uint64_t uses_ = 0;
  std::uint64_t repeated_ = 0;
};

}  // namespace pluresdb::nonce_test

// OpenSSL's, with its types: a test includes no OpenSSL.
struct evp_cipher_ctx_st;
struct evp_cipher_st;
struct ossl_param_st;
// NOLINTNEXTLINE(readability-identifier-naming)
extern "C" int EVP_EncryptInit_ex2(evp_cipher_ctx_st* context, const evp_cipher_st* cipher,
                                   const unsigned char* key, const unsigned char* nonce,
                                   const ossl_param_st* parameters) {
  static const auto next =
      reinterpret_cast<decltype(&EVP_EncryptInit_ex2)>(dlsym(RTLD_NEXT, "EVP_EncryptInit_ex2"));
  pluresdb::nonce_test::NonceLedger::instance().note(context, key, nonce);
  return next(context, cipher, key, nonce, parameters);
}
