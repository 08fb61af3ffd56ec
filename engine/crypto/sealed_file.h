// What is known of the key of an encrypted file by looking at its header with the master keys.
#pragma once

#include <cstdint>
#include <string>

#include "engine/crypto/master_keys.h"

namespace pluresdb::crypto {

struct SealedFile {
  std::string path;
  std::uint64_t bytes = 0;
  /// Of the master key that its envelope is proven to be under; 0: none of them opens it.
  Generation generation = 0;
  std::string problem;  ///< Why none does.
};

}  // namespace pluresdb::crypto
