// The primitives against published vectors, and what they refuse. Wycheproof's files are read where
// they are; without them their tests are skipped, and those of the RFCs remain.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <simdjson.h>

#include "engine/base/bytes.h"
#include "engine/crypto/aes_gcm.h"
#include "engine/crypto/digest.h"
#include "engine/crypto/key_derivation.h"
#include "engine/tests/crypto_test_support.h"
#include <pluresdb/error.h>

namespace pluresdb::crypto {
namespace {

using testing::Bytes;
using testing::bytes_of;
using testing::for_each_vector;
using testing::from_hex;
using testing::got;
using testing::hex_member;
using testing::member;
using testing::number;

Bytes repeated(int byte, std::size_t count) { return Bytes(count, std::byte(byte)); }

Bytes copied(base::ByteSpan bytes) { return {bytes.begin(), bytes.end()}; }

#define SKIP_WITHOUT(count)                                         \
  if (!(count)) {                                                   \
    GTEST_SKIP() << "Wycheproof's vectors are not on this machine"; \
  }

/// The result of sealing and of opening, as Wycheproof asks for them.
void check_gcm(simdjson::dom::element test) {
  const Bytes key = hex_member(test, "key");
  const Bytes associated = hex_member(test, "aad");
  const Bytes plain = hex_member(test, "msg");
  Bytes sealed = hex_member(test, "ct");
  base::append_bytes(sealed, hex_member(test, "tag"));
  const Bytes iv = hex_member(test, "iv");
  Nonce nonce{};
  std::ranges::copy(iv, nonce.begin());
  Bytes opened(plain.size(), std::byte{0x77});
  auto opening = got(GcmContext::for_opening(key));
  const Status outcome = opening.open(nonce, associated, sealed, opened);
  if (member(test, "result") == "valid") {
    EXPECT_TRUE(outcome.has_value());
    EXPECT_EQ(opened, plain);
    Bytes made(sealed.size());
    auto sealing = got(GcmContext::for_sealing(key));
    EXPECT_TRUE(sealing.seal(nonce, associated, plain, made).has_value());
    EXPECT_EQ(made, sealed);
  } else {
    ASSERT_FALSE(outcome.has_value());
    EXPECT_EQ(outcome.error().code, ErrorCode::kCorruption);
    EXPECT_EQ(opened, Bytes(plain.size())) << "unauthenticated bytes were let out";
  }
}

TEST(Vectors, AesGcmOfWycheproof) {
  std::set<std::string> results;
  std::size_t fitting = 0;
  const auto count = for_each_vector("aes_gcm_test.json", [&](auto group, auto test) {
    if (number(group, "keySize") != 256 || number(group, "ivSize") != 96 ||
        number(group, "tagSize") != 128) {
      return;  // What GcmContext cannot even be asked for.
    }
    ++fitting;
    results.insert(member(test, "result"));
    check_gcm(test);
  });
  SKIP_WITHOUT(count);
  EXPECT_EQ(fitting, 66U);
  EXPECT_EQ(results.size(), 2U);
}

TEST(Vectors, HkdfOfWycheproof) {
  std::set<std::string> results;
  const auto count = for_each_vector("hkdf_sha256_test.json", [&](auto, auto test) {
    results.insert(member(test, "result"));
    Bytes out(static_cast<std::size_t>(number(test, "size")));
    const Status outcome = hkdf_sha256(hex_member(test, "ikm"), hex_member(test, "salt"),
                                       hex_member(test, "info"), out);
    if (member(test, "result") == "valid") {
      EXPECT_TRUE(outcome.has_value());
      EXPECT_EQ(out, hex_member(test, "okm"));
    } else {
      ASSERT_FALSE(outcome.has_value());
      EXPECT_EQ(outcome.error().code, ErrorCode::kInvalidArgument);
    }
  });
  SKIP_WITHOUT(count);
  EXPECT_EQ(*count, 86U);
  EXPECT_EQ(results.size(), 2U);
}

TEST(Vectors, HmacOfWycheproof) {
  std::size_t forged = 0;
  const auto count = for_each_vector("hmac_sha256_test.json", [&](auto, auto test) {
    const auto digest = got(hmac_sha256(hex_member(test, "key"), hex_member(test, "msg")));
    const Bytes tag = hex_member(test, "tag");
    const Bytes made = copied(base::ByteSpan(digest).first(tag.size()));
    if (member(test, "result") == "valid") {
      EXPECT_EQ(made, tag);
    } else {
      ++forged;
      EXPECT_NE(made, tag);
    }
  });
  SKIP_WITHOUT(count);
  EXPECT_EQ(*count, 174U);
  EXPECT_GT(forged, 0U);
}

TEST(Vectors, HkdfOfRfc5869) {
  Bytes out(42);
  ASSERT_TRUE(hkdf_sha256(repeated(0x0b, 22), from_hex("000102030405060708090a0b0c"),
                          from_hex("f0f1f2f3f4f5f6f7f8f9"), out)
                  .has_value());
  EXPECT_EQ(out, from_hex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf3400"
                          "7208d5b887185865"));
  // A.3: neither salt nor info.
  ASSERT_TRUE(hkdf_sha256(repeated(0x0b, 22), {}, {}, out).has_value());
  EXPECT_EQ(out, from_hex("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d20"
                          "1395faa4b61a96c8"));
}

TEST(Vectors, Sha256OfFips180) {
  const auto digest = got(sha256(base::as_bytes("abc")));
  EXPECT_EQ(copied(digest),
            from_hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
}

TEST(Vectors, Argon2idOfRfc9106) {
  const auto password = repeated(1, 32);
  const auto salt = repeated(2, 16);
  const auto key = repeated(3, 8);
  const auto associated = repeated(4, 12);
  const auto stretched =
      got(argon2id({.password = password, .salt = salt, .associated = associated, .key = key},
                   {.memory_kib = 32, .passes = 3, .lanes = 4}));
  EXPECT_EQ(copied(stretched.bytes()),
            from_hex("0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"));
  EXPECT_EQ(password, repeated(1, 32)) << "the caller's password is the caller's";
}

// Red with: the bounds checked after the allocation, or a sum of them that overflows.
TEST(Argon2, HostileParametersAreRefusedBeforeAnythingIsAllocated) {
  constexpr std::uint32_t kHuge = std::numeric_limits<std::uint32_t>::max();
  const std::vector<Argon2Parameters> hostile = {
      {.memory_kib = kHuge, .passes = 1, .lanes = 1},
      {.memory_kib = (1U << 20) + 1, .passes = 1, .lanes = 1},
      {.memory_kib = 1U << 22, .passes = 1, .lanes = 4},
      {.memory_kib = 64U << 10, .passes = kHuge, .lanes = 1},
      {.memory_kib = 64U << 10, .passes = 17, .lanes = 1},
      {.memory_kib = 64U << 10, .passes = 0, .lanes = 1},
      {.memory_kib = 64U << 10, .passes = 1, .lanes = 0},
      {.memory_kib = 64U << 10, .passes = 1, .lanes = 1U << 24},
      {.memory_kib = 64U << 10, .passes = 1, .lanes = 17},
      {.memory_kib = 1U << 20, .passes = 5, .lanes = 1},
      {.memory_kib = 1U << 20, .passes = 1U << 12, .lanes = 1},
      {.memory_kib = 31, .passes = 1, .lanes = 4},
      {.memory_kib = 0, .passes = 1, .lanes = 1},
  };
  const auto weak = KdfPolicy::weak_for_tests({.memory_kib = 64, .passes = 1, .lanes = 1});
  const auto salt = repeated(2, 16);
  for (const Argon2Parameters& parameters : hostile) {
    SCOPED_TRACE(std::to_string(parameters.memory_kib) + " " + std::to_string(parameters.passes) +
                 " " + std::to_string(parameters.lanes));
    const auto outcome = argon2id({.password = salt, .salt = salt, .associated = {}}, parameters);
    ASSERT_FALSE(outcome.has_value());
    EXPECT_EQ(outcome.error().code, ErrorCode::kInvalidArgument);
    for (const KdfPolicy& policy : {KdfPolicy(), weak}) {
      const auto stored = policy.check_stored(parameters);
      ASSERT_FALSE(stored.has_value());
      EXPECT_EQ(stored.error().code, ErrorCode::kCorruption);
    }
    EXPECT_FALSE(KdfPolicy::create(parameters).has_value());
  }
}

TEST(Argon2, PolicyRefusesWeakNewSlotsAndKnowsTheStandard) {
  const Argon2Parameters standard{.memory_kib = 64U << 10, .passes = 3, .lanes = 4};
  EXPECT_EQ(KdfPolicy().for_new_slots(), standard);
  EXPECT_TRUE(KdfPolicy().check_stored(standard).has_value());
  const Argon2Parameters weakest{.memory_kib = 19U << 10, .passes = 2, .lanes = 1};
  EXPECT_EQ(got(KdfPolicy::create(weakest)).for_new_slots(), weakest);
  EXPECT_FALSE(
      KdfPolicy::create({.memory_kib = (19U << 10) - 1, .passes = 2, .lanes = 1}).has_value());
  EXPECT_FALSE(KdfPolicy::create({.memory_kib = 64U << 10, .passes = 1, .lanes = 1}).has_value());
  // What an older policy may have written is still read, down to a floor.
  EXPECT_TRUE(
      KdfPolicy().check_stored({.memory_kib = 8U << 10, .passes = 1, .lanes = 1}).has_value());
  EXPECT_FALSE(KdfPolicy()
                   .check_stored({.memory_kib = (8U << 10) - 1, .passes = 1, .lanes = 1})
                   .has_value());
  EXPECT_TRUE(
      KdfPolicy().check_stored({.memory_kib = 1U << 20, .passes = 4, .lanes = 16}).has_value());
}

TEST(Argon2, ShortSaltIsTheCallersMistake) {
  const auto salt = repeated(2, 7);
  const auto outcome = argon2id({.password = salt, .salt = salt, .associated = {}},
                                {.memory_kib = 64, .passes = 1, .lanes = 1});
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().code, ErrorCode::kInvalidArgument);
}

// Every input counts: purpose, key, salt, context; and a purpose is no beginning of another one.
TEST(Derivation, EachPurposeAndContextGivesAKeyOfItsOwn) {
  std::set<Bytes> seen;
  const auto derived = [](KeyPurpose purpose, const Bytes& key, const Bytes& salt,
                          const Bytes& context) {
    Bytes out(32);
    EXPECT_TRUE(derive(purpose, key, salt, context, out).has_value());
    return out;
  };
  const Bytes key = repeated(1, 32);
  const Bytes salt = repeated(2, 32);
  std::size_t count = 0;
  for (const KeyPurpose purpose :
       {KeyPurpose::kSlot, KeyPurpose::kGeneration, KeyPurpose::kFile, KeyPurpose::kLabel,
        KeyPurpose::kKeyringMac, KeyPurpose::kStoreMac}) {
    for (const Bytes& context : {Bytes{}, repeated(0, 1), bytes_of("-mac"), bytes_of("x")}) {
      seen.insert(derived(purpose, key, salt, context));
      seen.insert(derived(purpose, repeated(3, 32), salt, context));
      seen.insert(derived(purpose, key, repeated(3, 32), context));
      count += 3;
    }
  }
  EXPECT_EQ(seen.size(), count);
}

// A label is part of the format: the derivation of one file key, computed by another program
// (Python's hmac, RFC 5869 written out).
TEST(Derivation, LabelsAreThoseOfTheFormat) {
  Bytes out(32);
  ASSERT_TRUE(derive(KeyPurpose::kFile, repeated(1, 32), repeated(2, 32), bytes_of("context"), out)
                  .has_value());
  EXPECT_EQ(out, from_hex("3ea4e48a20611189f29c3dceffdd91130c9ea18b1c0d6ad27f698f5993432a2a"));
}

TEST(Gcm, CopyOfAContextHasTheSameKey) {
  const Bytes key = repeated(9, kKeyBytes);
  const Nonce nonce{};
  const Bytes plain = bytes_of("some bytes");
  Bytes sealed(plain.size() + kTagBytes);
  ASSERT_TRUE(got(GcmContext::for_sealing(key)).seal(nonce, {}, plain, sealed).has_value());
  auto model = got(GcmContext::for_opening(key));
  auto copy = got(model.copy());
  for (GcmContext* context : {&copy, &model}) {
    Bytes opened(plain.size());
    EXPECT_TRUE(context->open(nonce, {}, sealed, opened).has_value());
    EXPECT_EQ(opened, plain);
  }
}

}  // namespace
}  // namespace pluresdb::crypto
