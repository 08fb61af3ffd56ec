// What a process that holds keys asks of the kernel. Implemented in posix_process.cc.
#pragma once

#include <pluresdb/error.h>

namespace pluresdb::io {

/// No core dump of this process from now on, and no other process of the same user attaches to it
/// or reads its memory. For programs to call before they read a secret; a library does not decide
/// this for its host. kIo: not everything took effect.
Status protect_process();

}  // namespace pluresdb::io
