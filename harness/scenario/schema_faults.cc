// Keys of [[faults]].
#include <algorithm>
#include <iterator>
#include <string_view>
#include <variant>
#include <vector>

#include "harness/scenario/catalog.h"
#include "harness/scenario/scenario.h"
#include "harness/scenario/schema.h"
#include "harness/scenario/schema_limits.h"

namespace soak::scenario {
namespace {

constexpr double kMustFireMax = 1e9;

using enum ValueType;
using enum FaultKind;

std::vector<std::string_view> kind_names(bool yes) {
  std::vector<std::string_view> names;
  for (const FaultKindInfo& info : fault_kinds()) {
    if (info.implemented == yes) {
      names.push_back(info.name);
    }
  }
  return names;
}

std::vector<std::string_view> error_names() {
  std::vector<std::string_view> names;
  for (const FaultError& error : fault_errors()) {
    names.push_back(error.name);
  }
  return names;
}

std::vector<std::string_view> device_names() {
  std::vector<std::string_view> names;
  for (const DeviceInfo& device : power_loss_devices()) {
    names.push_back(device.name);
  }
  return names;
}

/// Keys that mean something for every kind of fault. The first two are read on their own.
std::vector<Field<FaultSection>> common_fault_fields() {
  return {
      {{.key = "name",
        .type = kName,
        .doc = "what phases and the report call it",
        .required = true,
        .min = 1,
        .max = 60},
       &FaultSection::name},
      {{.key = "kind",
        .type = kChoice,
        .doc = "what happens",
        .required = true,
        .choices = kind_names(true),
        .later = kind_names(false)},
       std::monostate{}},
      {{.key = "every",
        .type = kDuration,
        .doc = "again and again, this far apart",
        .min = 0.1,
        .max = 31 * kDay},
       &FaultSection::every_seconds},
      {{.key = "jitter",
        .type = kNumber,
        .doc = "fraction of `every` by which each instant varies",
        .max = 1},
       &FaultSection::jitter},
      {{.key = "at",
        .type = kDuration,
        .doc = "once, this long after the start of the run",
        .max = 31 * kDay},
       &FaultSection::at_seconds},
  };
}

/// Which calls of a point, of the kinds that arm one.
std::vector<Field<FaultSection>> armed_fault_fields() {
  return {
      {{.key = "for",
        .type = kDuration,
        .doc = "how long it stays armed, without it: to the end; how long a pause lasts",
        .min = 0.001,
        .max = 31 * kDay,
        .kinds = {kDiskFull, kIoError, kSyncError, kShortWrite, kSlowIo, kPause}},
       &FaultSection::for_seconds},
      {{.key = "point",
        .type = kPoint,
        .doc = "where; see `pluresdb-soak list points`; what is damaged: `wal/segment/*`, "
               "`base/sst/*`, `base/manifest/*` or `base/current/*`",
        .default_note = "\"space/*\" for disk_full, \"wal/segment/*\" for damage, else required",
        .kinds = {kDiskFull, kIoError, kSyncError, kShortWrite, kSlowIo, kBitFlip,
                  kMisdirectedWrite}},
       &FaultSection::point},
      {{.key = "probability",
        .type = kNumber,
        .doc = "of each call of the point while armed",
        .max = 1,
        .kinds = {kIoError, kSyncError, kShortWrite, kSlowIo}},
       &FaultSection::probability},
      {{.key = "times",
        .type = kInteger,
        .doc = "at most so many firings per arming; 0: no limit",
        .max = 4e9,
        .kinds = {kIoError, kSyncError, kShortWrite, kSlowIo}},
       &FaultSection::times},
      {{.key = "nth",
        .type = kInteger,
        .doc = "only the n-th call since it was armed; 0: any",
        .max = 4e9,
        .kinds = {kIoError, kSyncError, kShortWrite, kSlowIo}},
       &FaultSection::nth},
      {{.key = "every_calls",
        .type = kInteger,
        .doc = "only each n-th call; 0: any",
        .max = 4e9,
        .kinds = {kIoError, kSyncError, kShortWrite, kSlowIo}},
       &FaultSection::every_calls},
      {{.key = "min_bytes",
        .type = kBytes,
        .doc = "smaller operations are left alone and not counted",
        .max = kGiB,
        .kinds = {kIoError, kShortWrite, kSlowIo}},
       &FaultSection::min_bytes},
      {{.key = "max_bytes",
        .type = kBytes,
        .doc = "larger operations are left alone and not counted; 0: none is too large",
        .max = kGiB,
        .kinds = {kIoError, kShortWrite, kSlowIo}},
       &FaultSection::max_bytes},
      {{.key = "error",
        .type = kChoice,
        .doc = "what the operation fails with",
        .choices = error_names(),
        .kinds = {kIoError, kShortWrite}},
       &FaultSection::error},
  };
}

/// What the kinds that they name leave open.
std::vector<Field<FaultSection>> special_fault_fields() {
  return {
      {{.key = "delay",
        .type = kDuration,
        .doc = "how much longer each operation takes",
        .min = 0.000001,
        .max = 60,
        .default_note = "required for slow_io",
        .kinds = {kSlowIo}},
       &FaultSection::delay_seconds},
      {{.key = "by",
        .type = kDuration,
        .doc = "how far the clock jumps",
        .min = 0.001,
        .max = 366 * kDay,
        .default_note = "required for clock_jump",
        .kinds = {kClockJump}},
       &FaultSection::by_seconds},
      {{.key = "direction",
        .type = kChoice,
        .doc = "of the jump; either: by the seed",
        .choices = {"forward", "back", "either"},
        .kinds = {kClockJump}},
       &FaultSection::direction},
      {{.key = "after_error",
        .type = kChoice,
        .doc =
            "what the page cache does after a failed sync; still_dirty: the bytes stay unsynced; "
            "ext4_ordered, xfs: they can be read until the power goes, and no later sync writes "
            "them; btrfs: content and size are as after the last sync; ext4_data: as "
            "ext4_ordered, and only the next sync says so, which no store survives",
        .choices = {"still_dirty", "ext4_ordered", "xfs", "btrfs", "ext4_data"},
        .default_note = "\"still_dirty\"",
        .kinds = {kSyncError}},
       &FaultSection::after_error},
      {{.key = "images",
        .type = kInteger,
        .doc = "of each clone: the first has lost everything unsynced, the others go through all "
               "that the device can leave",
        .min = 1,
        .max = 64,
        .kinds = {kCrashImage}},
       &FaultSection::images},
  };
}

std::vector<Field<FaultSection>> power_loss_fields() {
  return {
      {{.key = "device",
        .type = kChoice,
        .doc = "what the disk can do; refuses the rest, and says what is meant by what is left out",
        .choices = device_names(),
        .kinds = {kPowerLoss, kCrashImage}},
       &FaultSection::device},
      {{.key = "keep",
        .type = kChoice,
        .doc = "which unsynced writes survive: none, all up to a point, or any of them and parts",
        .choices = {"none", "prefix", "subset"},
        .default_note = "the device's; `\"none\"` for `any`",
        .kinds = {kPowerLoss}},
       &FaultSection::keep},
      {{.key = "sector_bytes",
        .type = kBytes,
        .doc = "writes are torn at 512 or 4096 bytes",
        .min = 512,
        .max = 4096,
        .kinds = {kPowerLoss, kTornWrite, kCrashImage}},
       &FaultSection::sector_bytes},
      {{.key = "names",
        .type = kChoice,
        .doc =
            "which unsynced creations, renames and removals survive: none, all up to a point, or "
            "each by itself",
        .choices = {"none", "prefix", "any"},
        .default_note =
            "the device's; for `any` `\"none\"` with keep = \"none\", else `\"prefix\"`",
        .kinds = {kPowerLoss}},
       &FaultSection::names},
      {{.key = "garbage",
        .type = kNumber,
        .doc = "with keep = \"subset\": part of the lost sectors of torn writes that hold neither "
               "old nor new bytes",
        .max = 1,
        .default_note = "the device's; 0.2 for `scrambles`, else 0",
        .kinds = {kPowerLoss}},
       &FaultSection::garbage},
  };
}

}  // namespace

const std::vector<Field<FaultSection>>& fault_fields() {
  static const std::vector<Field<FaultSection>> kFields = [] {
    std::vector<Field<FaultSection>> fields = common_fault_fields();
    std::ranges::move(armed_fault_fields(), std::back_inserter(fields));
    std::ranges::move(special_fault_fields(), std::back_inserter(fields));
    std::ranges::move(power_loss_fields(), std::back_inserter(fields));
    fields.push_back(
        Field<FaultSection>{{.key = "must_fire",
                             .type = kInteger,
                             .doc = "fewer proven effects make the verdict inconclusive",
                             .max = kMustFireMax},
                            &FaultSection::must_fire});
    return fields;
  }();
  return kFields;
}

}  // namespace soak::scenario
