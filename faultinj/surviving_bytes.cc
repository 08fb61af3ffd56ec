#include "faultinj/surviving_bytes.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/io/file_system.h"
#include "faultinj/buffered_file.h"
#include "faultinj/hash.h"
#include "faultinj/power_loss.h"
#include "faultinj/power_loss_journal.h"
#include <pluresdb/error.h>

namespace faultinj {
namespace {

using pluresdb::Status;
using pluresdb::base::MutableByteSpan;
using pluresdb::io::File;

/// What is decided about one record is decided by independent dice.
enum class Die : std::uint64_t { kFate, kShape, kCount, kSector, kGarbage, kGarbageKind, kNoise };

std::uint64_t roll(const PowerLossPolicy& policy, const JournalRecord& record, Die die,
                   std::uint64_t number = 0) {
  return mix(mix(policy.seed, record.seq), mix(static_cast<std::uint64_t>(die), number));
}

bool is_below(std::uint64_t dice, double probability) {
  constexpr double kRange = 18446744073709551616.0;  // 2^64.
  return static_cast<double>(dice) < probability * kRange;
}

/// The part of a write that lies in one sector.
struct SectorPart {
  std::uint64_t index = 0;  ///< Of the sector, from the write's first one.
  std::uint64_t begin = 0;  ///< In the payload.
  std::uint64_t length = 0;
};

class Sectors {
 public:
  Sectors(const JournalRecord& record, std::uint64_t sector_bytes)
      : record_(record), sector_bytes_(sector_bytes), first_(record.offset / sector_bytes) {}

  [[nodiscard]] std::uint64_t count() const {
    return (record_.offset + record_.payload_bytes - 1) / sector_bytes_ - first_ + 1;
  }
  [[nodiscard]] SectorPart part(std::uint64_t index) const {
    const std::uint64_t sector_begin = (first_ + index) * sector_bytes_;
    const std::uint64_t begin = std::max(sector_begin, record_.offset);
    const std::uint64_t end =
        std::min(sector_begin + sector_bytes_, record_.offset + record_.payload_bytes);
    return {.index = index, .begin = begin - record_.offset, .length = end - begin};
  }

 private:
  const JournalRecord& record_;
  std::uint64_t sector_bytes_;
  std::uint64_t first_;
};

/// Fills `out` with what a sector may hold that was being written.
Status make_garbage(Journal& journal, const PowerLossPolicy& policy, const JournalRecord& record,
                    const SectorPart& part, MutableByteSpan out) {
  enum class Kind : std::uint64_t { kNoise, kErased, kOtherSector };
  constexpr std::uint64_t kKinds = 3;
  switch (static_cast<Kind>(roll(policy, record, Die::kGarbageKind, part.index) % kKinds)) {
    case Kind::kErased:  // Flash that was erased and not programmed.
      std::ranges::fill(out, std::byte{0xFF});
      return {};
    case Kind::kOtherSector: {  // Valid bytes of the same write, in the wrong place.
      const std::uint64_t room = record.payload_bytes - out.size();
      const std::uint64_t place = room - std::min(part.begin, room);
      if (place != part.begin) {
        return journal.read(record, place, out);
      }
      break;
    }
    case Kind::kNoise:
      break;
  }
  for (std::size_t index = 0; index < out.size(); ++index) {
    out[index] = static_cast<std::byte>(roll(policy, record, Die::kNoise, part.begin + index));
  }
  return {};
}

/// Which sectors of a torn write reach the disk.
class Tear {
 public:
  Tear(const PowerLossPolicy& policy, const JournalRecord& record, std::uint64_t sectors)
      : policy_(policy), record_(record) {
    // Disks mostly write in order: half of the torn writes are a beginning, the others have holes.
    is_beginning_ = policy.writes == PowerLossPolicy::Writes::kPrefix ||
                    (sectors > 1 && roll(policy, record, Die::kShape) % 2 == 0);
    if (is_beginning_ && sectors > 1) {
      beginning_ = 1 + roll(policy, record, Die::kCount) % (sectors - 1);
    }
  }

  [[nodiscard]] bool reached(std::uint64_t sector) const {
    return is_beginning_ ? sector < beginning_
                         : roll(policy_, record_, Die::kSector, sector) % 2 == 0;
  }

 private:
  const PowerLossPolicy& policy_;
  const JournalRecord& record_;
  bool is_beginning_ = false;
  std::uint64_t beginning_ = 0;
};

}  // namespace

SurvivingBytes::Fate SurvivingBytes::fate_of(const JournalRecord& record) const {
  using Writes = PowerLossPolicy::Writes;
  const bool is_write = record.type == RecordType::kWrite;
  switch (policy_.writes) {
    case Writes::kNone:
      return Fate::kLost;
    case Writes::kAll:
      return Fate::kKept;
    case Writes::kPrefix:
      if (record.seq != cut_seq_) {
        return record.seq < cut_seq_ ? Fate::kKept : Fate::kLost;
      }
      return is_write ? Fate::kTorn : Fate::kLost;
    case Writes::kSubset:
      break;
  }
  const std::uint64_t dice = roll(policy_, record, Die::kFate);
  if (record.type == RecordType::kTruncate) {
    constexpr std::uint64_t kLostTruncations = 4;
    return dice % kLostTruncations == 0 ? Fate::kLost : Fate::kKept;
  }
  // Torn is the most frequent: it is what asks most of recovery.
  constexpr std::uint64_t kOutcomes = 8;
  switch (dice % kOutcomes) {
    case 0:
      return Fate::kKept;
    case 1:
      return Fate::kLost;
    case 2:
      return is_write ? Fate::kSizeOnly : Fate::kLost;
    default:
      return is_write ? Fate::kTorn : Fate::kKept;
  }
}

Status SurvivingBytes::write(const std::vector<const JournalRecord*>& records, File& target) {
  bool lost_truncation = false;
  bool lost_bytes = false;
  for (const JournalRecord* record : records) {
    const Fate fate = lost_truncation ? Fate::kLost : fate_of(*record);
    lost_truncation =
        lost_truncation || (record->type == RecordType::kTruncate && fate == Fate::kLost);
    const PowerLossOutcome before = outcome_;
    TRY(meet(*record, fate, target));
    if (record->type == RecordType::kWrite) {
      const bool something = outcome_.writes_discarded == before.writes_discarded &&
                             outcome_.sizes_without_bytes == before.sizes_without_bytes;
      outcome_.writes_out_of_order += something && lost_bytes ? 1U : 0U;
      lost_bytes = lost_bytes || outcome_.writes_kept == before.writes_kept;
    }
  }
  return {};
}

void SurvivingBytes::discard(const std::vector<const JournalRecord*>& records) {
  for (const JournalRecord* record : records) {
    drop(*record);
  }
}

Status SurvivingBytes::meet(const JournalRecord& record, Fate fate, File& target) {
  switch (fate) {
    case Fate::kKept:
      ++outcome_.writes_kept;
      outcome_.bytes_kept += record.payload_bytes;
      return apply_record(journal_, record, target);
    case Fate::kLost:
      drop(record);
      return {};
    case Fate::kSizeOnly:
      return grow(record, target);
    case Fate::kTorn:
      return tear(record, target);
  }
  return {};
}

void SurvivingBytes::drop(const JournalRecord& record) {
  ++outcome_.writes_discarded;
  outcome_.bytes_discarded += record.payload_bytes;
}

/// The new size reached the disk, the bytes did not: they read as zero.
Status SurvivingBytes::grow(const JournalRecord& record, File& target) {
  TRY_ASSIGN(const std::uint64_t size_bytes, target.size());
  const std::uint64_t end = record.offset + record.payload_bytes;
  if (end <= size_bytes) {
    drop(record);
    return {};
  }
  ++outcome_.sizes_without_bytes;
  outcome_.bytes_discarded += record.payload_bytes;
  return target.truncate(end);
}

Status SurvivingBytes::tear(const JournalRecord& record, File& target) {
  const Sectors sectors(record, policy_.sector_bytes);
  const Tear tear(policy_, record, sectors.count());
  const bool has_garbage =
      policy_.writes == PowerLossPolicy::Writes::kSubset && policy_.garbage > 0;
  std::vector<std::byte> buffer;
  std::uint64_t kept = 0;
  std::uint64_t garbage = 0;
  for (std::uint64_t index = 0; index < sectors.count(); ++index) {
    const SectorPart part = sectors.part(index);
    const bool reached = tear.reached(index);
    if (!reached &&
        !(has_garbage && is_below(roll(policy_, record, Die::kGarbage, index), policy_.garbage))) {
      continue;
    }
    buffer.resize(part.length);
    if (reached) {
      TRY(journal_.read(record, part.begin, buffer));
      kept += part.length;
    } else {
      TRY(make_garbage(journal_, policy_, record, part, buffer));
      garbage += part.length;
      ++outcome_.sectors_of_garbage;
    }
    TRY(target.write(record.offset + part.begin, buffer));
  }
  if (kept == record.payload_bytes) {
    ++outcome_.writes_kept;
  } else if (kept + garbage == 0) {
    ++outcome_.writes_discarded;
  } else {
    ++outcome_.writes_torn;
  }
  outcome_.bytes_kept += kept;
  outcome_.bytes_of_garbage += garbage;
  outcome_.bytes_discarded += record.payload_bytes - kept - garbage;
  return {};
}

}  // namespace faultinj
