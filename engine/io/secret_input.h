// Where a program's user puts a secret: a descriptor, a file of his own, the terminal. Never the
// command line or the environment, which others can read. Implemented in posix_secret_input.cc.
#pragma once

#include <cstddef>
#include <string>

#include "engine/base/bytes.h"
#include <pluresdb/error.h>

namespace pluresdb::io {

/// Each fills `out` from its beginning and returns how many bytes came; as many as fit when there
/// are more. The bytes exist nowhere else in this process.

/// To its end; it stays open. kIo.
Result<std::size_t> read_secret_descriptor(int descriptor, base::MutableByteSpan out);

/// A regular file that belongs to this user and that nobody else may read; a link is not followed.
/// kNotFound, kIo, kInvalidArgument: another kind of file, owner or mode.
Result<std::size_t> read_secret_file(const std::string& path, base::MutableByteSpan out);

/// One line from the controlling terminal, which shows `prompt` and not what is typed; without the
/// line's end. Signals wait until it shows again. kInvalidArgument: no terminal. kIo.
Result<std::size_t> read_secret_terminal(const std::string& prompt, base::MutableByteSpan out);

}  // namespace pluresdb::io
