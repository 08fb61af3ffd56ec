#include "harness/supervisor/power_policy.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "faultinj/power_loss.h"
#include "harness/scenario/catalog.h"
#include "harness/scenario/scenario.h"

namespace soak::supervisor {
namespace {

using faultinj::PowerLossPolicy;
using scenario::DeviceInfo;
using scenario::FaultKind;
using scenario::FaultSection;
using Names = PowerLossPolicy::Names;
using Writes = PowerLossPolicy::Writes;

// Of the lost sectors of torn writes, in images with garbage.
constexpr double kImageGarbage = 0.2;

constexpr std::array<std::pair<std::string_view, Writes>, 4> kWrites = {
    {{"none", Writes::kNone},
     {"prefix", Writes::kPrefix},
     {"subset", Writes::kSubset},
     {"all", Writes::kAll}}};
constexpr std::array<std::pair<std::string_view, Names>, 4> kNames = {{{"none", Names::kNone},
                                                                       {"prefix", Names::kPrefix},
                                                                       {"any", Names::kAny},
                                                                       {"all", Names::kAll}}};

template <typename Pairs>
auto value_of(const Pairs& pairs, std::string_view name) {
  return std::ranges::find(pairs, name, [](const auto& pair) { return pair.first; })->second;
}

template <typename Pairs, typename Value>
const char* name_of(const Pairs& pairs, Value value) {
  return std::ranges::find(pairs, value, [](const auto& pair) { return pair.second; })
      ->first.data();
}

/// What `device` can leave, but for the loss of everything.
std::vector<PowerLossPolicy> combinations(const DeviceInfo& device) {
  std::vector<PowerLossPolicy> all;
  for (const std::string_view keep : device.keeps) {
    for (const std::string_view name : device.names) {
      const PowerLossPolicy policy{.writes = value_of(kWrites, keep),
                                   .names = value_of(kNames, name)};
      if (policy.writes != Writes::kNone || policy.names != Names::kNone) {
        all.push_back(policy);
      }
      if (policy.writes == Writes::kSubset && device.garbage_max > 0) {
        all.push_back(policy);
        all.back().garbage = kImageGarbage;
      }
    }
  }
  return all;
}

}  // namespace

PowerLossPolicy power_policy(const FaultSection& fault, std::uint64_t seed) {
  return {.writes = value_of(kWrites, fault.keep),
          .names = value_of(kNames, fault.names),
          .seed = seed,
          .sector_bytes = fault.sector_bytes,
          .tears = fault.kind == FaultKind::kTornWrite,
          .garbage = fault.garbage};
}

PowerLossPolicy image_policy(const FaultSection& fault, std::uint32_t clone, std::uint32_t image,
                             std::uint64_t seed) {
  PowerLossPolicy policy;
  if (image > 1) {
    const std::vector<PowerLossPolicy> all = combinations(*scenario::find_device(fault.device));
    if (!all.empty()) {  // Of a device that drops everything all images are the same.
      const std::uint64_t turn = (std::uint64_t{clone} - 1) * (fault.images - 1) + (image - 2);
      policy = all[turn % all.size()];
    }
  }
  policy.seed = seed;
  policy.sector_bytes = fault.sector_bytes;
  return policy;
}

bool may_keep_writes(const FaultSection& fault) {
  return fault.kind == FaultKind::kCrashImage
             ? scenario::find_device(fault.device)->keeps.size() > 1
             : fault.keep != "none";
}

bool may_scramble_names(const FaultSection& fault) {
  if (fault.kind != FaultKind::kCrashImage) {
    return fault.names == "any";
  }
  const std::vector<std::string_view>& names = scenario::find_device(fault.device)->names;
  return std::ranges::find(names, "any") != names.end();
}

const char* writes_name(Writes writes) { return name_of(kWrites, writes); }
const char* names_name(Names names) { return name_of(kNames, names); }

}  // namespace soak::supervisor
