// Random bytes for salts and keys, from OpenSSL's generators (seeded by the kernel, reseeded in a
// child of fork()).
#pragma once

#include "engine/base/bytes.h"
#include <pluresdb/error.h>

namespace pluresdb::crypto {

/// For what is written in the clear: salts, ids.
Status fill_with_random(base::MutableByteSpan out);
/// For keys: from the generator whose output is never shown to anybody.
Status fill_with_key_material(base::MutableByteSpan out);

}  // namespace pluresdb::crypto
