// <pluresdb/keyring.h>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "engine/base/bytes.h"
#include "engine/crypto/aes_gcm.h"
#include "engine/crypto/keyring.h"
#include "engine/crypto/keyring_format.h"
#include "engine/crypto/secret_bytes.h"
#include "engine/crypto/secret_text.h"
#include "engine/io/process_protection.h"
#include "engine/io/secret_input.h"
#include <pluresdb/error.h>
#include <pluresdb/keyring.h>

namespace pluresdb {

struct StoreSecret::Readings {
  std::vector<crypto::Secret> secrets;  // At least one.
};

namespace {

Status check_text(std::string_view text) {
  if (text.empty() || text.size() > crypto::kPasswordBytesMax) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("a password has 1 .. {} bytes", crypto::kPasswordBytesMax));
  }
  return {};
}

Result<std::vector<crypto::Secret>> one_secret(crypto::SlotType type, base::ByteSpan bytes) {
  TRY_ASSIGN(auto copy, crypto::SecretBytes::copy_of(bytes));
  std::vector<crypto::Secret> secrets;
  secrets.push_back({.type = type, .bytes = std::move(copy)});
  return secrets;
}

Result<std::vector<crypto::Secret>> one_key(crypto::SlotType type, base::ByteSpan key) {
  if (key.size() != crypto::kKeyBytes) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("a key has {} bytes", crypto::kKeyBytes));
  }
  return one_secret(type, key);
}

}  // namespace

SecretProtection protect_secrets() {
  return {.process_is_closed = io::protect_process().has_value(),
          .memory_is_locked = crypto::prepare_secret_memory() == crypto::SecretMemory::kLocked};
}

StoreSecret::StoreSecret(std::unique_ptr<Readings> readings) : readings_(std::move(readings)) {}
StoreSecret::~StoreSecret() = default;
StoreSecret::StoreSecret(StoreSecret&& other) noexcept = default;
StoreSecret& StoreSecret::operator=(StoreSecret&& other) noexcept = default;

std::span<const crypto::Secret> StoreSecret::readings() const { return readings_->secrets; }

Result<StoreSecret> StoreSecret::password(std::string_view text) {
  TRY(check_text(text));
  TRY_ASSIGN(auto secrets, one_secret(crypto::SlotType::kPassword, base::as_bytes(text)));
  return StoreSecret(std::make_unique<Readings>(std::move(secrets)));
}

Result<StoreSecret> StoreSecret::device_key(std::span<const std::byte> key) {
  TRY_ASSIGN(auto secrets, one_key(crypto::SlotType::kDeviceKey, key));
  return StoreSecret(std::make_unique<Readings>(std::move(secrets)));
}

Result<StoreSecret> StoreSecret::recovery_key(std::span<const std::byte> key) {
  TRY_ASSIGN(auto secrets, one_key(crypto::SlotType::kRecoveryKey, key));
  return StoreSecret(std::make_unique<Readings>(std::move(secrets)));
}

Result<StoreSecret> StoreSecret::of_text(std::string_view text) {
  TRY(check_text(text));
  TRY_ASSIGN(const auto copy, crypto::SecretBytes::copy_of(base::as_bytes(text)));
  TRY_ASSIGN(auto secrets, crypto::readings_of(copy));
  return StoreSecret(std::make_unique<Readings>(std::move(secrets)));
}

Result<StoreSecret> StoreSecret::of_file(const std::string& path) {
  TRY_ASSIGN(const auto text, crypto::read_secret_text([&path](base::MutableByteSpan out) {
               return io::read_secret_file(path, out);
             }));
  TRY_ASSIGN(auto secrets, crypto::readings_of(text));
  return StoreSecret(std::make_unique<Readings>(std::move(secrets)));
}

}  // namespace pluresdb
