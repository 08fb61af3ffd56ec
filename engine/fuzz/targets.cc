#include "engine/fuzz/targets.h"

#include <array>
#include <span>

#include "engine/fuzz/driver/target.h"

namespace fuzzing {

std::span<const Target> targets() {
  namespace engine = pluresdb::fuzz;
  static const std::array all = {
      engine::keyring_target(),    engine::segment_header_target(),   engine::segment_target(),
      engine::frames_target(),     engine::compressed_chunk_target(), engine::sealed_file_target(),
      engine::base_value_target(), engine::store_file_target(),       engine::arguments_target(),
  };
  return all;
}

}  // namespace fuzzing
