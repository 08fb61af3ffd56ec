#include "engine/crypto/secret_text.h"

#include <cstddef>
#include <expected>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "engine/base/bytes.h"
#include "engine/crypto/aes_gcm.h"
#include "engine/crypto/keyring.h"
#include "engine/crypto/keyring_format.h"
#include "engine/crypto/secret_bytes.h"
#include <pluresdb/error.h>

namespace pluresdb::crypto {
namespace {

constexpr std::size_t kDigitsPerByte = 2;
constexpr std::size_t kKeyDigits = kDigitsPerByte * kKeyBytes;
constexpr unsigned kBitsPerDigit = 4;

/// One byte more than a password with its newline: whether there was more.
constexpr std::size_t kBufferBytes = kPasswordBytesMax + 2;

std::optional<unsigned> digit_of(std::byte character) {
  constexpr unsigned kLetterValue = 10;
  const char c = static_cast<char>(character);
  if (c >= '0' && c <= '9') {
    return static_cast<unsigned>(c - '0');
  }
  if (c >= 'a' && c <= 'f') {
    return static_cast<unsigned>(c - 'a') + kLetterValue;
  }
  if (c >= 'A' && c <= 'F') {
    return static_cast<unsigned>(c - 'A') + kLetterValue;
  }
  return std::nullopt;
}

}  // namespace

Result<SecretBytes> read_secret_text(
    const std::function<Result<std::size_t>(base::MutableByteSpan)>& source) {
  TRY_ASSIGN(SecretBytes secret, SecretBytes::zeros(kBufferBytes));
  TRY_ASSIGN(std::size_t count, source(secret.mutable_bytes()));
  if (count > 0 && count < kBufferBytes && secret.bytes()[count - 1] == std::byte{'\n'}) {
    --count;
  }
  if (count == 0) {
    return fail(ErrorCode::kInvalidArgument, "a secret is empty");
  }
  if (count > kPasswordBytesMax) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("a secret has more than {} bytes", kPasswordBytesMax));
  }
  secret.shrink(count);
  return secret;
}

Result<SecretBytes> text_of_key(const SecretBytes& key) {
  constexpr const char* kDigits = "0123456789abcdef";
  constexpr std::byte kLowDigit{0x0f};
  TRY_ASSIGN(SecretBytes text, SecretBytes::zeros(kKeyDigits + 1));
  const auto out = text.mutable_bytes();
  for (std::size_t i = 0; i < key.size(); ++i) {
    const auto high = std::to_integer<std::size_t>(key.bytes()[i] >> kBitsPerDigit);
    const auto low = std::to_integer<std::size_t>(key.bytes()[i] & kLowDigit);
    out[kDigitsPerByte * i] = static_cast<std::byte>(kDigits[high]);
    out[kDigitsPerByte * i + 1] = static_cast<std::byte>(kDigits[low]);
  }
  out[kKeyDigits] = std::byte{'\n'};
  return text;
}

Result<std::optional<SecretBytes>> key_of_text(const SecretBytes& text) {
  if (text.size() != kKeyDigits) {
    return std::nullopt;
  }
  TRY_ASSIGN(SecretBytes key, SecretBytes::zeros(kKeyBytes));
  for (std::size_t i = 0; i < key.size(); ++i) {
    const auto high = digit_of(text.bytes()[kDigitsPerByte * i]);
    const auto low = digit_of(text.bytes()[kDigitsPerByte * i + 1]);
    if (!high || !low) {
      return std::nullopt;
    }
    key.mutable_bytes()[i] = static_cast<std::byte>(*high << kBitsPerDigit | *low);
  }
  return std::optional(std::move(key));
}

Result<Secret> secret_of_type(const SecretBytes& text, SlotType type) {
  if (type == SlotType::kPassword) {
    TRY_ASSIGN(SecretBytes password, SecretBytes::copy_of(text.bytes()));
    return Secret{.type = type, .bytes = std::move(password)};
  }
  TRY_ASSIGN(auto key, key_of_text(text));
  if (!key) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("a key is {} hexadecimal digits", kKeyDigits));
  }
  return Secret{.type = type, .bytes = *std::move(key)};
}

Result<std::vector<Secret>> readings_of(const SecretBytes& text) {
  std::vector<Secret> readings;
  for (const SlotType type : {SlotType::kDeviceKey, SlotType::kRecoveryKey, SlotType::kPassword}) {
    auto reading = secret_of_type(text, type);
    if (reading) {
      readings.push_back(*std::move(reading));
    } else if (reading.error().code != ErrorCode::kInvalidArgument) {
      return std::unexpected(std::move(reading).error());
    }
  }
  return readings;
}

}  // namespace pluresdb::crypto
