// Torn or corrupt (D4): the ruling on what stands at one place of a segment, as one table.
// docs/formats/wal.md "Recovery" says it in words; wal_tail_rule_test has one test per row. A
// damaged header of a segment is always corruption: a file gets its name after its header was
// synced.
#pragma once

#include <array>
#include <cstdint>

namespace pluresdb::wal {

/// What stands at a place of a segment.
enum class Found : std::uint8_t {
  kWholeGroup,
  kZeros,          ///< To the end of what may hold groups.
  kDamagedGroup,   ///< Valid header, damaged body.
  kNoFrame,        ///< Neither group nor footer; another frame may follow.
  kDamagedFooter,  ///< Or one without its trailer.
  // Checksums that are right with tags that are not: no crash leaves that.
  kTamperedFrame,   ///< The header of a group or footer; another frame may follow.
  kTamperedGroup,   ///< Its header is authentic, not all of its chunks are.
  kTamperedFooter,  ///< Or its trailer.
};

/// What is known about that place from elsewhere.
enum class Evidence : std::uint8_t {
  kNone,
  /// It was durable: it lies before the durable offset of a later valid group, before a valid
  /// footer or trailer, before the end that a successor's header names; or the file has a successor
  /// or a rewritten segment's name, which nobody gives before all is synced.
  kDurable,
  kVoid,  ///< It lies behind the end that a successor's header names.
};

enum class Ruling : std::uint8_t {
  kCounts,
  kEnd,      ///< Never written: nothing is missing.
  kTorn,     ///< Never acknowledged: the segment ends here, whatever follows.
  kCorrupt,  ///< Was durable and is damaged: kept aside, its seqs are named, the rest counts.
  kIgnored,  ///< Not even looked at.
};

struct TailRule {
  Found found;
  Evidence evidence;
  Ruling ruling;
};

inline constexpr std::array<TailRule, 24> kTailRules = {{
    {Found::kWholeGroup, Evidence::kNone, Ruling::kCounts},
    {Found::kWholeGroup, Evidence::kDurable, Ruling::kCounts},
    {Found::kWholeGroup, Evidence::kVoid, Ruling::kIgnored},
    {Found::kZeros, Evidence::kNone, Ruling::kEnd},
    {Found::kZeros, Evidence::kDurable, Ruling::kCorrupt},
    {Found::kZeros, Evidence::kVoid, Ruling::kIgnored},
    {Found::kDamagedGroup, Evidence::kNone, Ruling::kTorn},
    {Found::kDamagedGroup, Evidence::kDurable, Ruling::kCorrupt},
    {Found::kDamagedGroup, Evidence::kVoid, Ruling::kIgnored},
    {Found::kNoFrame, Evidence::kNone, Ruling::kTorn},
    {Found::kNoFrame, Evidence::kDurable, Ruling::kCorrupt},
    {Found::kNoFrame, Evidence::kVoid, Ruling::kIgnored},
    // The groups before it were synced before it was begun: nothing is lost with it.
    {Found::kDamagedFooter, Evidence::kNone, Ruling::kTorn},
    {Found::kDamagedFooter, Evidence::kDurable, Ruling::kCorrupt},
    {Found::kDamagedFooter, Evidence::kVoid, Ruling::kIgnored},
    {Found::kTamperedFrame, Evidence::kNone, Ruling::kCorrupt},
    {Found::kTamperedFrame, Evidence::kDurable, Ruling::kCorrupt},
    {Found::kTamperedFrame, Evidence::kVoid, Ruling::kIgnored},
    {Found::kTamperedGroup, Evidence::kNone, Ruling::kCorrupt},
    {Found::kTamperedGroup, Evidence::kDurable, Ruling::kCorrupt},
    {Found::kTamperedGroup, Evidence::kVoid, Ruling::kIgnored},
    // A footer stands where a successor says that the segment ends: that does not make it void.
    {Found::kTamperedFooter, Evidence::kNone, Ruling::kCorrupt},
    {Found::kTamperedFooter, Evidence::kDurable, Ruling::kCorrupt},
    {Found::kTamperedFooter, Evidence::kVoid, Ruling::kCorrupt},
}};

constexpr Ruling ruling_on(Found found, Evidence evidence) {
  for (const TailRule& rule : kTailRules) {
    if (rule.found == found && rule.evidence == evidence) {
      return rule.ruling;
    }
  }
  return Ruling::kCorrupt;  // Not reached: the table is complete (wal_tail_rule_test).
}

}  // namespace pluresdb::wal
