// Which unsynced bytes of a file a power loss leaves on the disk.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "engine/io/file_system.h"
#include "faultinj/power_loss.h"
#include "faultinj/power_loss_journal.h"
#include <pluresdb/error.h>

namespace faultinj {

inline constexpr std::uint64_t kNoCut = std::numeric_limits<std::uint64_t>::max();

/// Decides about each record by the policy's seed and the record's seq alone.
class SurvivingBytes {
 public:
  /// All outlive it. `cut_seq`: with Writes::kPrefix the first record that does not survive whole.
  SurvivingBytes(Journal& journal, const PowerLossPolicy& policy, std::uint64_t cut_seq,
                 PowerLossOutcome& outcome)
      : journal_(journal), policy_(policy), cut_seq_(cut_seq), outcome_(outcome) {}

  /// `records`: all unsynced content of one file, in order. `target`: the file below.
  pluresdb::Status write(const std::vector<const JournalRecord*>& records,
                         pluresdb::io::File& target);
  /// The same when none of it survives: nothing is written.
  void discard(const std::vector<const JournalRecord*>& records);

 private:
  enum class Fate { kKept, kLost, kSizeOnly, kTorn };
  [[nodiscard]] Fate fate_of(const JournalRecord& record) const;
  pluresdb::Status meet(const JournalRecord& record, Fate fate, pluresdb::io::File& target);
  pluresdb::Status grow(const JournalRecord& record, pluresdb::io::File& target);
  pluresdb::Status tear(const JournalRecord& record, pluresdb::io::File& target);
  void drop(const JournalRecord& record);

  Journal& journal_;
  const PowerLossPolicy& policy_;
  const std::uint64_t cut_seq_;
  PowerLossOutcome& outcome_;
};

}  // namespace faultinj
