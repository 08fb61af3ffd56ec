#include "engine/crypto/master_keys.h"

#include <cstdint>
#include <map>
#include <utility>

#include "engine/base/check.h"
#include "engine/crypto/secret_bytes.h"

namespace pluresdb::crypto {

MasterKeys::MasterKeys(const StoreId& store_id, std::uint64_t keyring_seq,
                       std::map<Generation, SecretBytes> keys)
    : store_id_(store_id), keyring_seq_(keyring_seq), keys_(std::move(keys)) {
  DB_CHECK(!keys_.empty());
}

const SecretBytes* MasterKeys::find(Generation generation) const {
  const auto at = keys_.find(generation);
  return at == keys_.end() ? nullptr : &at->second;
}

}  // namespace pluresdb::crypto
