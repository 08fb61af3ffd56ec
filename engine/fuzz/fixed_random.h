// Keys and salts that are the same in every run: an input means the same bytes everywhere.
#pragma once

#include <cstdint>

namespace pluresdb::fuzz {

/// From here on OpenSSL's generators give the numbers of this seed. Thread: one.
void restart_random(std::uint64_t seed);

}  // namespace pluresdb::fuzz
