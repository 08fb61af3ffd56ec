// AES-256-GCM with nonces of 96 and tags of 128 bits, nothing else: neither length is ever taken
// from a file. For chunk_sealer and key_wrap, which see to it that no nonce comes twice.
#pragma once

#include <array>
#include <cstddef>
#include <memory>

#include "engine/base/bytes.h"
#include <pluresdb/error.h>

struct evp_cipher_ctx_st;  // OpenSSL's EVP_CIPHER_CTX.

namespace pluresdb::crypto {

inline constexpr std::size_t kKeyBytes = 32;
inline constexpr std::size_t kNonceBytes = 12;
inline constexpr std::size_t kTagBytes = 16;
using Nonce = std::array<std::byte, kNonceBytes>;

/// One key, one direction. Thread: one at a time. Works without allocating.
class GcmContext {
 public:
  static Result<GcmContext> for_sealing(base::ByteSpan key);
  static Result<GcmContext> for_opening(base::ByteSpan key);
  /// Another one with the same key and direction.
  [[nodiscard]] Result<GcmContext> copy() const;

  /// `sealed`: kTagBytes longer than `plain`; it may begin where `plain` does, and else shares
  /// nothing with it.
  Status seal(const Nonce& nonce, base::ByteSpan associated, base::ByteSpan plain,
              base::MutableByteSpan sealed);
  /// `plain`: kTagBytes shorter than `sealed`, placed as above. kCorruption: not what was sealed;
  /// `plain` is overwritten with zeros.
  Status open(const Nonce& nonce, base::ByteSpan associated, base::ByteSpan sealed,
              base::MutableByteSpan plain);

 private:
  struct Free {
    void operator()(evp_cipher_ctx_st* context) const;
  };
  using Pointer = std::unique_ptr<evp_cipher_ctx_st, Free>;
  explicit GcmContext(Pointer context) : context_(std::move(context)) {}
  static Result<GcmContext> create(base::ByteSpan key, bool sealing);

  Pointer context_;
};

}  // namespace pluresdb::crypto
