// Errors through RocksDB and back: code, errno and `injected` survive the way, although a RocksDB
// status carries nothing but a text.
#pragma once

#include <string>

#include <rocksdb/io_status.h>
#include <rocksdb/status.h>

#include <pluresdb/error.h>

namespace pluresdb::store {

/// `error` as RocksDB wants to see it: kNoSpace and kNotFound as their own kinds.
rocksdb::IOStatus to_io_status(const Error& error);

/// The Error that to_io_status() was given when `status` comes from there, else the nearest code.
/// `operation` begins the context. `status` is not OK.
Error to_error(const rocksdb::Status& status, const char* operation);

/// What a failed open means to the owner. Errors that may pass stay what they are.
Error open_failure(Error error, const std::string& directory);

}  // namespace pluresdb::store
