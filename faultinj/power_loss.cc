#include "faultinj/power_loss.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

#include "engine/base/bytes.h"
#include "engine/io/file_system.h"
#include "faultinj/buffered_file.h"
#include "faultinj/hash.h"
#include "faultinj/pending_state.h"
#include "faultinj/power_loss_journal.h"
#include <pluresdb/error.h>

namespace faultinj {
namespace {

using pluresdb::ErrorCode;
using pluresdb::fail;
using pluresdb::Result;
using pluresdb::Status;
using pluresdb::io::File;
using pluresdb::io::FileSystem;
using pluresdb::io::join_path;
using pluresdb::io::OpenMode;

/// Lets a seeded subset of a file's unsynced records reach the disk.
///
/// A write is kept, dropped, or torn: then each of its sectors is kept or dropped. Truncations are
/// metadata, which reaches the disk in order: from a seeded point on they are lost, and with the
/// first lost one everything behind it, because its blocks were given out later.
class SubsetWriter {
 public:
  SubsetWriter(Journal& journal, const PowerLossPolicy& policy, PowerLossOutcome& outcome)
      : journal_(journal), policy_(policy), outcome_(outcome) {}

  Status write(const std::vector<const JournalRecord*>& records, File& target) {
    bool lost_truncation = false;
    for (const JournalRecord* record : records) {
      const std::uint64_t dice = mix(policy_.seed, record->seq);
      if (record->type == RecordType::kTruncate && dice % 4 == 0) {
        lost_truncation = true;
      }
      if (lost_truncation) {
        drop(*record);
      } else if (record->type == RecordType::kTruncate) {
        TRY(keep(*record, target));
      } else {
        TRY(write_one(*record, dice, target));
      }
    }
    return {};
  }

 private:
  Status keep(const JournalRecord& record, File& target) {
    ++outcome_.writes_kept;
    outcome_.bytes_kept += record.payload_bytes;
    return apply_record(journal_, record, target);
  }

  void drop(const JournalRecord& record) {
    ++outcome_.writes_discarded;
    outcome_.bytes_discarded += record.payload_bytes;
  }

  Status write_one(const JournalRecord& record, std::uint64_t dice, File& target) {
    // Torn is the most frequent: it is what asks most of recovery.
    constexpr std::uint64_t kOutcomes = 8;
    switch (dice % kOutcomes) {
      case 0:
        return keep(record, target);
      case 1:
        drop(record);
        return {};
      case 2:
        // The new size reached the disk, the bytes did not: they read as zero.
        drop(record);
        return record.type == RecordType::kWrite ? grow(record, target) : Status{};
      default:
        return record.type == RecordType::kWrite ? tear(record, target) : keep(record, target);
    }
  }

  static Status grow(const JournalRecord& record, File& target) {
    TRY_ASSIGN(const std::uint64_t size_bytes, target.size());
    const std::uint64_t end = record.offset + record.payload_bytes;
    return end > size_bytes ? target.truncate(end) : Status{};
  }

  Status tear(const JournalRecord& record, File& target) {
    const std::uint64_t sector_bytes = policy_.sector_bytes;
    const std::uint64_t first_sector = record.offset / sector_bytes;
    const std::uint64_t sectors =
        (record.offset + record.payload_bytes - 1) / sector_bytes - first_sector + 1;
    // Disks mostly write in order: half of the torn writes are a beginning, the others have holes.
    const std::uint64_t order = mix(~policy_.seed, record.seq);
    const bool beginning = order % 2 == 0 && sectors > 1;
    const std::uint64_t beginning_sectors = beginning ? 1 + (order / 2) % (sectors - 1) : 0;
    std::vector<std::byte> buffer;
    std::uint64_t kept = 0;
    for (std::uint64_t done = 0; done < record.payload_bytes;) {
      const std::uint64_t offset = record.offset + done;
      const std::uint64_t sector = offset / sector_bytes;
      const std::uint64_t count =
          std::min((sector + 1) * sector_bytes - offset, record.payload_bytes - done);
      const bool reached = beginning ? sector - first_sector < beginning_sectors
                                     : mix(policy_.seed ^ sector, record.seq) % 2 == 0;
      if (reached) {
        buffer.resize(count);
        TRY(journal_.read(record, done, buffer));
        TRY(target.write(offset, buffer));
        kept += count;
      }
      done += count;
    }
    if (kept == record.payload_bytes) {
      ++outcome_.writes_kept;
    } else if (kept == 0) {
      ++outcome_.writes_discarded;
    } else {
      ++outcome_.writes_torn;
    }
    outcome_.bytes_kept += kept;
    outcome_.bytes_discarded += record.payload_bytes - kept;
    return {};
  }

  Journal& journal_;
  const PowerLossPolicy& policy_;
  PowerLossOutcome& outcome_;
};

Status write_contents(FileSystem& files, const std::string& path, const PendingFile& pending,
                      Journal& journal, const PowerLossPolicy& policy, PowerLossOutcome& outcome) {
  if (policy.keep == PowerLossPolicy::Keep::kNothing) {
    for (const JournalRecord* record : pending.contents) {
      ++outcome.writes_discarded;
      outcome.bytes_discarded += record->payload_bytes;
    }
    return {};
  }
  TRY_ASSIGN(const auto file, files.open(path, OpenMode::kReadWrite));
  if (policy.keep == PowerLossPolicy::Keep::kSubset) {
    TRY(SubsetWriter(journal, policy, outcome).write(pending.contents, *file));
    return file->close();
  }
  for (const JournalRecord* record : pending.contents) {
    TRY(apply_record(journal, *record, *file));
    ++outcome.writes_kept;
    outcome.bytes_kept += record->payload_bytes;
  }
  return file->close();
}

std::size_t kept_changes(const PowerLossPolicy& policy, std::size_t count) {
  switch (policy.keep) {
    case PowerLossPolicy::Keep::kNothing:
      return 0;
    case PowerLossPolicy::Keep::kSubset:
      return mix(policy.seed, count) % (count + 1);
    case PowerLossPolicy::Keep::kEverything:
      return count;
  }
  return 0;
}

}  // namespace

Result<int> create_power_loss_journal() {
  const int descriptor = ::memfd_create("pluresdb-power-loss-journal", MFD_CLOEXEC);
  if (descriptor < 0) {
    return fail(ErrorCode::kIo, "create power-loss journal", errno);
  }
  if (const Status status = initialise_journal(descriptor); !status) {
    (void)::close(descriptor);
    return std::unexpected(status.error());
  }
  return descriptor;
}

Result<std::uint64_t> power_loss_pending_bytes(int journal_fd) {
  TRY_ASSIGN(const auto image, read_journal(journal_fd));
  std::uint64_t bytes = 0;
  for (const auto& [seq, record] : image.live) {
    bytes += record.type == RecordType::kWrite ? record.payload_bytes : 0;
  }
  return bytes;
}

Result<PowerLossOutcome> apply_power_loss(const std::string& root, int journal_fd,
                                          const PowerLossPolicy& policy) {
  if (policy.sector_bytes != 512 && policy.sector_bytes != 4096) {
    return fail(ErrorCode::kInvalidArgument, "power loss: a sector has 512 or 4096 bytes");
  }
  FileSystem& files = pluresdb::io::posix_file_system();
  TRY_ASSIGN(const auto journal, Journal::open(journal_fd));
  TRY_ASSIGN(auto state, load_pending(files, root, *journal));
  PowerLossOutcome outcome;
  for (const auto& [id, pending] : state.files) {
    TRY(write_contents(files, join_path(root, pending.path), pending, *journal, policy, outcome));
  }
  const std::size_t kept = kept_changes(policy, state.changes.size());
  outcome.directory_changes_kept = kept;
  outcome.directory_changes_undone = state.changes.size() - kept;
  for (std::size_t index = state.changes.size(); index > kept; --index) {
    TRY(undo_change(files, root, state.changes[index - 1]));
  }
  TRY(journal->clear());
  TRY(clean_aside(files, root, {}));
  return outcome;
}

}  // namespace faultinj
