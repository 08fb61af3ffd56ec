// Damage of what was synced long ago, and the end of a run whose store says that it cannot be
// opened any more because of it.
#include <string>
#include <utility>

#include <fmt/format.h>

#include "faultinj/damage_at_rest.h"
#include "harness/oracle/oracle.h"
#include "harness/scenario/catalog.h"
#include "harness/scenario/scenario.h"
#include "harness/supervisor/life.h"
#include "harness/supervisor/recorder.h"
#include "pluresdb/error.h"

namespace soak::supervisor {
namespace {

using scenario::FaultKind;
using scenario::FaultSection;

bool is_of_base(const FaultSection& fault) { return fault.point.starts_with("base/"); }

faultinj::DamageKind damage_kind(FaultKind kind) {
  if (kind == FaultKind::kTampering) {
    return faultinj::DamageKind::kTampering;
  }
  return kind == FaultKind::kBitFlip ? faultinj::DamageKind::kBitFlip
                                     : faultinj::DamageKind::kMisdirectedWrite;
}

}  // namespace

/// A base store that is damaged cannot list itself any more, so what must not be there is looked
/// for before it.
bool Life::look_before_damage(const FaultSection& fault) {
  const bool looks = scenario::is_damage(fault.kind) && is_of_base(fault) &&
                     parts_.result.evidence.full_scans == 0 && facts_.base_damage.empty();
  return !looks || (stop_load() && scan() && start_load());
}

bool Life::damage(const FaultSection& fault, KillReport& report) {
  auto done = faultinj::damage_at_rest(parts_.folder.data(), fault.point, damage_kind(fault.kind),
                                       random_.next());
  if (!done.has_value()) {
    return harness_error("damage: " + pluresdb::to_string(done.error()));
  }
  report.damage = *std::move(done);
  if (!report.damage.has_value()) {
    return true;
  }
  if (!is_of_base(fault)) {
    parts_.oracle.damage(oracle::DamagedPart::kLog);
    return true;
  }
  facts_.base_damage = fmt::format("{} at {}", report.damage->file, report.damage->offset);
  if (fault.point.starts_with("base/sst/")) {
    parts_.oracle.damage(oracle::DamagedPart::kTables);
  }
  return true;
}

/// The end of the run, and no failure of the store: it has said what is lost.
bool Life::base_lost(const std::string& text) {
  if (facts_.base_lost.empty()) {
    facts_.base_lost = text;
    facts_.live_when_base_lost = parts_.oracle.counts().live_documents;
  }
  parts_.recorder.note("base_lost", text);
  end_ = EndReason::kBaseLost;
  return false;
}

/// Lost and the next time there again, with less in it, would be a loss that a restart hides.
void Life::confirm_base_lost() {
  bury_worker();
  if (start_worker("base_lost")) {
    facts_.damaged_opens.push_back("the base store was lost, and at the next opening it was not: " +
                                   facts_.base_lost);
    if (verify()) {
      scan();
    }
    return;
  }
  if (end_ == EndReason::kBaseLost) {
    facts_.final_check_done = true;
    parts_.result.evidence.base_lost = 1;
  }
}

}  // namespace soak::supervisor
