// How a failed call of OpenSSL becomes an Error.
#pragma once

#include <expected>

#include <pluresdb/error.h>

namespace pluresdb::crypto {

/// kKeyUnavailable, naming the operation and what OpenSSL's error queue says; empties the queue.
std::unexpected<Error> openssl_failure(const char* operation);

/// Empties the queue of this thread: for a failure that is an answer and not an error.
void forget_openssl_errors();

}  // namespace pluresdb::crypto
