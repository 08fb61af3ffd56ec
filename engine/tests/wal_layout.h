// Where the groups of a segment stand, for tests that damage them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "engine/base/bytes.h"
#include "engine/crypto/master_keys.h"
#include "engine/io/file_system.h"
#include "engine/tests/wal_memory_disk.h"
#include "engine/tests/wal_test_support.h"
#include "engine/wal/segment_access.h"
#include "engine/wal/segment_format.h"
#include "engine/wal/segment_reader.h"
#include <pluresdb/document.h>

namespace pluresdb::wal_test {

struct Group {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  Seq first_seq = 0;
  Seq last_seq = 0;
};

/// A segment file and its layout.
struct Layout {
  std::vector<std::byte> bytes;
  std::vector<Group> groups;
  std::uint64_t groups_end = wal::kSegmentHeaderBytes;
};

/// `keys`: of an encrypted log.
inline Layout layout_of(const std::vector<std::byte>& bytes,
                        const crypto::MasterKeys* keys = nullptr) {
  Layout layout;
  layout.bytes = bytes;
  MemoryDisk disk;
  disk.set_contents("segment", bytes);
  const auto file = disk.open("segment", io::OpenMode::kRead);
  EXPECT_TRUE(succeeded(file));
  const auto opened = wal::open_header(**file, 0, "segment", keys);
  EXPECT_TRUE(succeeded(opened));
  EXPECT_TRUE(opened->header.has_value());
  wal::SegmentReader reader(**file, opened->access, bytes.size());
  while (true) {
    const auto frame = reader.frame_at(layout.groups_end);
    EXPECT_TRUE(succeeded(frame));
    if (!frame || frame->kind != wal::FrameKind::kGroup) {
      return layout;
    }
    layout.groups.push_back(
        {frame->offset, frame->end, frame->group.first_seq, frame->group.last_seq});
    layout.groups_end = frame->end;
  }
}

}  // namespace pluresdb::wal_test
