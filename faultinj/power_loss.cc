#include "faultinj/power_loss.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

#include "engine/io/file_system.h"
#include "faultinj/buffered_file.h"
#include "faultinj/hash.h"
#include "faultinj/pending_state.h"
#include "faultinj/power_loss_journal.h"
#include "faultinj/surviving_bytes.h"
#include "faultinj/surviving_names.h"
#include <pluresdb/error.h>

namespace faultinj {
namespace {

using pluresdb::ErrorCode;
using pluresdb::fail;
using pluresdb::Result;
using pluresdb::Status;
using pluresdb::io::FileSystem;
using pluresdb::io::join_path;
using pluresdb::io::OpenMode;

/// The points up to which everything survives; kNoCut: all of it.
struct Cuts {
  std::uint64_t bytes = kNoCut;
  std::uint64_t names = kNoCut;
};

/// Writes that can be torn.
std::vector<std::uint64_t> tearable_writes(const PendingState& state, std::uint32_t sector_bytes) {
  std::vector<std::uint64_t> seqs;
  for (const auto& [id, pending] : state.files) {
    for (const JournalRecord* record : pending.contents) {
      if (record->type == RecordType::kWrite && record->payload_bytes > sector_bytes) {
        seqs.push_back(record->seq);
      }
    }
  }
  return seqs;
}

std::uint64_t cut_of(const PowerLossPolicy& policy, std::vector<std::uint64_t> seqs) {
  std::ranges::sort(seqs);
  const std::size_t survivors = mix(policy.seed, seqs.size()) % (seqs.size() + 1);
  return survivors < seqs.size() ? seqs[survivors] : kNoCut;
}

Cuts choose_cuts(const PowerLossPolicy& policy, const PendingState& state) {
  const bool cuts_bytes = policy.writes == PowerLossPolicy::Writes::kPrefix;
  const bool cuts_names = policy.names == PowerLossPolicy::Names::kPrefix;
  if (policy.tears && cuts_bytes) {
    if (auto writes = tearable_writes(state, policy.sector_bytes); !writes.empty()) {
      std::ranges::sort(writes);
      const std::uint64_t cut = writes[mix(policy.seed, writes.size()) % writes.size()];
      return {.bytes = cut, .names = cuts_names ? cut : kNoCut};
    }
  }
  std::vector<std::uint64_t> seqs;
  if (cuts_bytes) {
    for (const auto& [id, pending] : state.files) {
      for (const JournalRecord* record : pending.contents) {
        seqs.push_back(record->seq);
      }
    }
  }
  if (cuts_names) {
    for (const DirectoryChange& change : state.changes) {
      seqs.push_back(change.record->seq);
    }
  }
  // A disk that keeps the order of both keeps it between them, too: one point in time.
  const std::uint64_t cut = cut_of(policy, std::move(seqs));
  return {.bytes = cuts_bytes ? cut : kNoCut, .names = cuts_names ? cut : kNoCut};
}

/// What nobody can open any more is lost, whatever the device kept of it.
Result<bool> has_name(FileSystem& files, const std::string& root, const std::string& path) {
  return is_aside(path) ? Result<bool>(false) : exists(files, join_path(root, path));
}

Status leave_bytes(FileSystem& files, const std::string& root, const PendingState& state,
                   const MovedFiles& moved, const PowerLossPolicy& policy,
                   SurvivingBytes& survivors) {
  for (const auto& [id, pending] : state.files) {
    const auto found = moved.find(pending.path);
    const std::string& path = found == moved.end() ? pending.path : found->second;
    TRY_ASSIGN(const bool named, has_name(files, root, path));
    if (!named || policy.writes == PowerLossPolicy::Writes::kNone) {
      survivors.discard(pending.contents);
      continue;
    }
    TRY_ASSIGN(const auto file, files.open(join_path(root, path), OpenMode::kReadWrite));
    TRY(survivors.write(pending.contents, *file));
    TRY(file->close());
  }
  return {};
}

/// What a failed sync has marked clean was only ever in memory.
void discard_clean(PendingState& state, PowerLossOutcome& outcome) {
  for (auto& [id, pending] : state.files) {
    auto dirty = dirty_records(pending.contents, pending.clean_seq);
    std::vector<const JournalRecord*> clean;
    std::ranges::set_difference(pending.contents, dirty, std::back_inserter(clean), {},
                                &JournalRecord::seq, &JournalRecord::seq);
    for (const JournalRecord* record : clean) {
      ++outcome.writes_discarded;
      outcome.bytes_discarded += record->payload_bytes;
    }
    pending.contents = std::move(dirty);
  }
}

void count_names(const std::vector<bool>& survives, PowerLossOutcome& outcome) {
  for (const bool survived : survives) {
    if (survived) {
      ++outcome.directory_changes_kept;
      outcome.names_out_of_order += outcome.directory_changes_undone > 0 ? 1U : 0U;
    } else {
      ++outcome.directory_changes_undone;
    }
  }
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

Result<PowerLossPending> power_loss_pending(int journal_fd) {
  TRY_ASSIGN(const auto image, read_journal(journal_fd));
  PowerLossPending pending;
  for (const auto& [seq, record] : image.live) {
    pending.bytes += record.type == RecordType::kWrite ? record.payload_bytes : 0;
    pending.directory_changes += is_directory_change(record.type) ? 1U : 0U;
  }
  return pending;
}

Result<PowerLossOutcome> apply_power_loss(const std::string& root, int journal_fd,
                                          const PowerLossPolicy& policy) {
  if (policy.sector_bytes != 512 && policy.sector_bytes != 4096) {
    return fail(ErrorCode::kInvalidArgument, "power loss: a sector has 512 or 4096 bytes");
  }
  if (!(policy.garbage >= 0 && policy.garbage <= 1)) {
    return fail(ErrorCode::kInvalidArgument, "power loss: garbage is a part, from 0 to 1");
  }
  FileSystem& files = pluresdb::io::posix_file_system();
  TRY_ASSIGN(const auto journal, Journal::open(journal_fd));
  TRY_ASSIGN(auto state, load_pending(files, root, *journal));
  PowerLossOutcome outcome;
  discard_clean(state, outcome);
  const Cuts cuts = choose_cuts(policy, state);
  std::vector<bool> survives = surviving_changes(state.changes, policy, cuts.names);
  drop_impossible(state.changes, survives);
  count_names(survives, outcome);
  // Names first: what became of the bytes is counted only of files that are still to be found.
  TRY_ASSIGN(const MovedFiles moved, leave_names(files, root, state.changes, survives));
  SurvivingBytes survivors(*journal, policy, cuts.bytes, outcome);
  TRY(leave_bytes(files, root, state, moved, policy, survivors));
  TRY(journal->clear());
  TRY(clean_aside(files, root, {}));
  return outcome;
}

}  // namespace faultinj
