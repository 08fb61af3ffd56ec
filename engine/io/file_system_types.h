// File systems that a store should not be on, by the number that statfs gives them.
//
// On a network file system a lock may be local to each machine, and an error of a write may come
// to light long after its sync has succeeded; on FUSE both depend on somebody's program.
#pragma once

#include <array>
#include <cstdint>

namespace pluresdb::io {

struct SharedFileSystemType {
  std::uint32_t magic;
  const char* name;
};

/// Numbers of linux/magic.h and, for what is not in the kernel, of the vendors.
inline constexpr std::array<SharedFileSystemType, 17> kSharedFileSystemTypes = {{
    {0x00006969, "nfs"},
    {0x0000517B, "smb"},
    {0x0000564C, "ncp"},
    {0x00C36400, "ceph"},
    {0x01021997, "9p"},
    {0x01161970, "gfs2"},
    {0x0BD00BD0, "lustre"},
    {0x19830326, "beegfs"},
    {0x47504653, "gpfs"},
    {0x5346414F, "afs"},
    {0x65735546, "fuse"},
    {0x6B414653, "afs"},
    {0x73757245, "coda"},
    {0x7461636F, "ocfs2"},
    {0x786F4256, "vboxsf"},
    {0xFE534D42, "smb2"},
    {0xFF534D42, "cifs"},
}};

/// Null: none of them.
constexpr const char* shared_file_system_name(std::uint32_t magic) {
  for (const SharedFileSystemType& type : kSharedFileSystemTypes) {
    if (type.magic == magic) {
      return type.name;
    }
  }
  return nullptr;
}

}  // namespace pluresdb::io
