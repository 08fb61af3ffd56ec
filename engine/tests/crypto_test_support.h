// What the tests of engine/crypto share: published vectors, cheap keys.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include "engine/base/bytes.h"
#include "engine/crypto/file_key.h"
#include "engine/crypto/master_keys.h"
#include "engine/crypto/secret_bytes.h"
#include <pluresdb/error.h>

namespace pluresdb::crypto::testing {

using Bytes = std::vector<std::byte>;

inline Bytes from_hex(std::string_view hex) {
  Bytes bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<std::byte>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

inline Bytes bytes_of(std::string_view text) {
  Bytes bytes;
  base::append_bytes(bytes, base::as_bytes(text));
  return bytes;
}

template <typename T>
std::string text_of(const Result<T>& result) {
  return result ? "ok" : to_string(result.error());
}

/// Of a call that must succeed.
template <typename T>
T got(Result<T> result) {
  EXPECT_TRUE(result.has_value()) << text_of(result);
  if (!result) {
    std::abort();  // Nothing to go on with.
  }
  return *std::move(result);
}

inline SecretBytes secret_of(std::string_view text) {
  return got(SecretBytes::copy_of(base::as_bytes(text)));
}

inline StoreId store_id(unsigned char mark) {
  StoreId id{};
  id.fill(std::byte{mark});
  return id;
}

/// Master keys of generations 1 .. newest, the same for the same arguments.
inline MasterKeys master_keys(unsigned char mark, Generation newest, std::uint64_t seq = 1) {
  std::map<Generation, SecretBytes> keys;
  for (Generation generation = 1; generation <= newest; ++generation) {
    keys.emplace(generation,
                 secret_of(fmt::format("key {:>3} of generation {:>10}", mark, generation)));
  }
  return {store_id(mark), seq, std::move(keys)};
}

inline std::string member(simdjson::dom::element object, const char* name) {
  std::string_view text;
  EXPECT_EQ(object[name].get(text), simdjson::SUCCESS) << name;
  return std::string(text);
}
inline std::int64_t number(simdjson::dom::element object, const char* name) {
  std::int64_t value = -1;
  EXPECT_EQ(object[name].get(value), simdjson::SUCCESS) << name;
  return value;
}
inline Bytes hex_member(simdjson::dom::element object, const char* name) {
  return from_hex(member(object, name));
}

/// Calls `visit` for each test; how many there were, nullopt when the file is not on this machine.
template <typename Visit>
std::optional<std::size_t> for_each_vector(const std::string& file, const Visit& visit) {
  const std::string path = "/work/shared/vectors/wycheproof/" + file;
  if (!std::filesystem::exists(path)) {
    return std::nullopt;
  }
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  EXPECT_EQ(parser.load(path).get(root), simdjson::SUCCESS) << path;
  std::size_t count = 0;
  simdjson::dom::array groups;
  EXPECT_EQ(root["testGroups"].get(groups), simdjson::SUCCESS) << path;
  for (const auto group : groups) {
    simdjson::dom::array tests;
    EXPECT_EQ(group["tests"].get(tests), simdjson::SUCCESS) << path;
    for (const auto test : tests) {
      SCOPED_TRACE(fmt::format("{} test {}", file, number(test, "tcId")));
      visit(group, test);
      ++count;
    }
  }
  return count;
}

}  // namespace pluresdb::crypto::testing
