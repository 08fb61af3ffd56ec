// Planted defects of a file system, for negative scenarios: each claims success and does something
// else, so that what the harness finds is the loss and never an error. Paths outside `root` are
// left alone. Whoever uses one chooses its place in the stack (harness/worker/file_stack.cc).
#pragma once

#include <memory>
#include <string>

#include "engine/io/file_system.h"

namespace faultinj {

/// sync_data, sync_all and sync_directory do nothing.
std::unique_ptr<pluresdb::io::FileSystem> make_lying_sync_file_system(
    pluresdb::io::FileSystem& next, const std::string& root);

/// sync_directory does nothing: bytes are durable, the names of their files are not.
std::unique_ptr<pluresdb::io::FileSystem> make_dropped_directory_sync_file_system(
    pluresdb::io::FileSystem& next, const std::string& root);

/// Now and then a write to the log loses its last sector.
std::unique_ptr<pluresdb::io::FileSystem> make_lost_suffix_file_system(
    pluresdb::io::FileSystem& next, const std::string& root);

/// A write that finds no space is cut where the space ends; an allocation that finds none is one
/// in name only. Stands above whatever reports kNoSpace.
std::unique_ptr<pluresdb::io::FileSystem> make_silent_truncation_file_system(
    pluresdb::io::FileSystem& next, const std::string& root);

}  // namespace faultinj
