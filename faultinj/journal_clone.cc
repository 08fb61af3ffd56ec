#include "faultinj/journal_clone.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <utility>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

#include "engine/base/bytes.h"
#include "faultinj/power_loss_journal_format.h"
#include <pluresdb/error.h>

namespace faultinj {
namespace {

using pluresdb::Result;
using pluresdb::Status;

/// Bytes [begin, end), which are no hole.
Status copy_range(int from, int to, std::uint64_t begin, std::uint64_t end,
                  std::vector<std::byte>& buffer) {
  while (begin < end) {
    const std::uint64_t wanted = std::min<std::uint64_t>(buffer.size(), end - begin);
    TRY_ASSIGN(const std::size_t count, read_up_to(from, begin, std::span(buffer).first(wanted)));
    if (count == 0) {
      return {};
    }
    TRY(write_at(to, begin, pluresdb::base::ByteSpan(buffer).first(count)));
    begin += count;
  }
  return {};
}

/// The front of a journal that has lived long is one large hole.
Status copy_data(int from, int to) {
  constexpr std::size_t kBufferBytes = 1U << 20;
  std::vector<std::byte> buffer(kBufferBytes);
  off_t position = 0;
  while (true) {
    const off_t data = ::lseek(from, position, SEEK_DATA);
    if (data < 0) {
      return errno == ENXIO ? Status{} : Status(journal_error("seek data"));
    }
    const off_t hole = ::lseek(from, data, SEEK_HOLE);
    if (hole < 0) {
      return journal_error("seek hole");
    }
    TRY(copy_range(from, to, static_cast<std::uint64_t>(data), static_cast<std::uint64_t>(hole),
                   buffer));
    position = hole;
  }
}

}  // namespace

Result<int> clone_power_loss_journal(int journal_fd) {
  const int descriptor = ::memfd_create("pluresdb-power-loss-journal", MFD_CLOEXEC);
  if (descriptor < 0) {
    return journal_error("memfd_create");
  }
  Status copied = copy_data(journal_fd, descriptor);
  if (!copied) {
    static_cast<void>(::close(descriptor));
    return std::unexpected(std::move(copied).error());
  }
  return descriptor;
}

}  // namespace faultinj
