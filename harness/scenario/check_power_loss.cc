#include "harness/scenario/check_power_loss.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/scenario/catalog.h"
#include "harness/scenario/document.h"
#include "harness/scenario/scenario.h"

namespace soak::scenario {

void check_power_loss(const Node& table, const FaultSection& fault, Findings& findings) {
  constexpr std::uint32_t kSmallSector = 512;
  constexpr std::uint32_t kLargeSector = 4096;
  const auto is_read = [&](std::string_view key) { return !findings.refused(table.find(key)); };
  const auto refuse = [&](std::string_view key, const std::string& why) {
    const Node* node = table.find(key);
    findings.add(node != nullptr ? node->place : table.place,
                 fmt::format("faults.{}: {}", key, why));
  };
  if (is_read("sector_bytes") && fault.sector_bytes != kSmallSector &&
      fault.sector_bytes != kLargeSector) {
    refuse("sector_bytes", "write \"512B\" or \"4KiB\"");
  }
  const DeviceInfo* device = find_device(fault.device);
  if (device == nullptr || !is_read("device")) {
    return;
  }
  const bool leaves_one_state = device->keeps.size() == 1 && device->names.size() == 1;
  if (fault.kind == FaultKind::kCrashImage && leaves_one_state && fault.images > 1 &&
      is_read("images")) {
    refuse("images",
           fmt::format("all images of the device \"{}\" are the same; write 1", device->name));
  }
  if (fault.kind != FaultKind::kPowerLoss) {
    return;
  }
  const auto limit = [&](std::string_view key, const std::string& value,
                         const std::vector<std::string_view>& possible) {
    if (is_read(key) && std::ranges::find(possible, value) == possible.end()) {
      refuse(key, fmt::format("the device \"{}\" allows only {}", device->name,
                              fmt::join(possible, ", ")));
    }
  };
  limit("keep", fault.keep, device->keeps);
  limit("names", fault.names, device->names);
  if (!is_read("garbage") || fault.garbage == 0) {
    return;
  }
  if (fault.garbage > device->garbage_max) {
    refuse("garbage", fmt::format("the device \"{}\" leaves no garbage", device->name));
  } else if (is_read("keep") && fault.keep != "subset") {
    refuse("garbage", "means nothing without keep = \"subset\"");
  }
}

}  // namespace soak::scenario
