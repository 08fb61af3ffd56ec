// Properties of the base store's codecs. Each names the mutant that was seen to break it.
#include <cstddef>
#include <string>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "engine/store/base_store.h"
#include "engine/store/value_codec.h"
#include "engine/tests/store_generators.h"

namespace pluresdb::store {
namespace {

// Red with: the actor's length is stored as one less when it is kActorBytesMax.
TEST(BaseStoreProperties, ValuesComeBackAsTheyWere) {
  EXPECT_TRUE(rc::check("decode(encode(v)) = v", [] {
    const BaseValue value = any_value();
    std::string bytes = "left over";
    encode_value(value, bytes);
    BaseValue back = any_value();
    RC_ASSERT(decode_value(bytes, back).has_value());
    RC_ASSERT(back == value);
  }));
}

// Red with: encode_meta leaves out hlc_floor's upper half.
TEST(BaseStoreProperties, MetasComeBackAsTheyWere) {
  EXPECT_TRUE(rc::check("decode(encode(m)) = m", [] {
    CheckpointMeta meta = any_meta(*rc::gen::inRange<Seq>(0, 1'000'000));
    meta.store_uuid.fill(*rc::gen::element(std::byte{0}, std::byte{7}));
    const auto back = decode_meta(encode_meta(meta));
    RC_ASSERT(back.has_value());
    RC_ASSERT(*back == meta);
  }));
}

// Hostile bytes: never a crash, and what is accepted is exactly one record.
// Red with: the check of remaining() after the last field is left out.
TEST(BaseStoreProperties, ChangedBytesAreRefusedOrReadExactly) {
  EXPECT_TRUE(rc::check("decode(bytes) fails or encodes to bytes again", [] {
    std::string bytes;
    encode_value(any_value(), bytes);
    const auto changes = *rc::gen::inRange(1, 4);
    for (int change = 0; change < changes; ++change) {
      bytes[*rc::gen::inRange<std::size_t>(0, bytes.size())] = *rc::gen::arbitrary<char>();
    }
    bytes.resize(bytes.size() - *rc::gen::inRange<std::size_t>(0, 3));
    BaseValue value;
    if (decode_value(bytes, value)) {
      std::string again;
      encode_value(value, again);
      RC_ASSERT(again == bytes);
    }
    CheckpointMeta meta = any_meta(5);
    meta.store_uuid.fill(*rc::gen::element(std::byte{0}, std::byte{7}));
    std::string meta_bytes = encode_meta(meta);
    meta_bytes[*rc::gen::inRange<std::size_t>(0, meta_bytes.size())] = *rc::gen::arbitrary<char>();
    if (const auto back = decode_meta(meta_bytes)) {
      RC_ASSERT(encode_meta(*back) == meta_bytes);
    }
  }));
}

}  // namespace
}  // namespace pluresdb::store
