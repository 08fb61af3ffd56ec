// Stands between the engine and OpenSSL in a worker: writes down every pair of key and nonce that
// something is encrypted under, and is a cipher with a defect when a scenario asks for one.
//
// The engine is not asked: cipher_watch.cc has OpenSSL's own functions by their names, and the
// linker finds those first. AES-GCM gives plaintext and key of the tag away when a pair comes
// twice, and no other check of a run would notice.
#pragma once

#include <string_view>

#include "harness/common/nonce_evidence.h"

namespace soak::worker {

/// Whether this file knows the defect `name`.
bool is_cipher_defect(std::string_view name);

/// From now on pairs go into `evidence`, which outlives every use of the cipher. `defect`: of a
/// scenario; those of others are none. Before the engine is opened; once.
void watch_ciphers(NonceEvidence& evidence, std::string_view defect);

}  // namespace soak::worker
