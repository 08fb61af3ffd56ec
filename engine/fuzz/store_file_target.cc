// Goal: what the STORE file says is what the store wrote, or it is not readable; with keys nobody
// else can have written it. Method: genuine files, changed with and without fitting CRCs; the model
// is the two records that were written. docs/formats/store.md "STORE".
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/core/store_identity.h"
#include "engine/crypto/master_keys.h"
#include "engine/fuzz/driver/target.h"
#include "engine/fuzz/memory_files.h"
#include "engine/fuzz/support.h"
#include "engine/fuzz/targets.h"
#include "engine/io/file_system.h"
#include <pluresdb/error.h>

namespace pluresdb::fuzz {
namespace {

using core::IdentityRecord;

constexpr const char* kStoreDirectory = "/s";
constexpr const char* kStorePath = "/s/STORE";
constexpr std::size_t kSlotStride = 4096;
constexpr std::size_t kSlotCrcAt = 76;

IdentityRecord record_of_input(Input& input) {
  IdentityRecord record;
  record.store_uuid.fill(input.read<std::byte>());
  record.created_us = static_cast<std::int64_t>(input.number());
  record.compacted_through_seq = input.number();
  record.actor_seq_floor = input.number();
  record.closed_at_seq = input.number();
  return record;
}

void fit_slot_crc(Bytes& file, std::size_t slot) {
  const std::size_t begin = slot * kSlotStride;
  if (file.size() >= begin + kSlotCrcAt + sizeof(std::uint32_t)) {
    const auto bytes = base::MutableByteSpan(file).subspan(begin);
    base::store(bytes, kSlotCrcAt, base::crc32c(bytes.first(kSlotCrcAt)));
  }
}

/// Whether every readable slot of a file without keys must be one that was written: no CRC was
/// made to fit, by us or by who chose the changes.
bool is_forged(const Bytes& file, const Bytes& genuine) {
  for (std::size_t begin = 0; begin < 2 * kSlotStride; begin += kSlotStride) {
    const std::size_t end = begin + kSlotCrcAt + sizeof(std::uint32_t);
    if (file.size() < end) {
      continue;
    }
    const auto slot = base::ByteSpan(file).subspan(begin, end - begin);
    const bool is_same =
        std::ranges::equal(slot, base::ByteSpan(genuine).subspan(begin, slot.size()));
    if (!is_same &&
        base::crc32c(slot.first(kSlotCrcAt)) == base::load<std::uint32_t>(slot, kSlotCrcAt)) {
      return true;
    }
  }
  return false;
}

struct WrittenStore {
  IdentityRecord first;
  IdentityRecord second;
  bool was_updated = false;
  Bytes file;
};

WrittenStore write_store(Input& input, MemoryFiles& files, const crypto::MasterKeys* keys) {
  WrittenStore written;
  written.first = written.second = record_of_input(input);
  must_hold(core::StoreIdentity::prepare(files, kStoreDirectory, written.first, keys) &&
                core::StoreIdentity::commit(files, kStoreDirectory),
            "a store is made");
  auto identity = must_give(core::StoreIdentity::load(files, kStoreDirectory, keys),
                            "a store that was made is there");
  must_hold(identity.record() == written.first, "a record is read as it was written");
  if (input.flag()) {
    written.second = record_of_input(input);
    written.was_updated = true;
    must_hold(identity.update(written.second).has_value(), "a record is updated");
  }
  written.file = files.contents(kStorePath);
  return written;
}

void check_loading(MemoryFiles& files, const crypto::MasterKeys* keys, const WrittenStore& written,
                   bool is_trustworthy) {
  const auto identity = core::StoreIdentity::load(files, kStoreDirectory, keys);
  const auto copies = core::read_identity_copies(files, kStoreDirectory, keys);
  if (!identity) {
    const ErrorCode code = identity.error().code;
    must_hold(code == ErrorCode::kCorruption || code == ErrorCode::kKeyUnavailable ||
                  code == ErrorCode::kUnsupportedVersion || code == ErrorCode::kInvalidArgument,
              "a STORE file that is refused says why");
    must_hold(!copies || !copies->record, "no copy is readable where loading failed");
    return;
  }
  must_hold(copies && copies->record == identity->record(), "both readers read the same");
  must_hold(copies->damaged == 0 || copies->damaged == 1, "one of two copies may be damaged");
  must_hold(copies->format_version == (keys == nullptr ? 1U : 2U), "each version has its keys");
  must_hold(!is_trustworthy || identity->record() == written.first ||
                identity->record() == written.second,
            "what is read was written by this store");
  must_hold(!is_trustworthy || copies->damaged > 0 || !written.was_updated ||
                identity->record() == written.second,
            "with both copies whole the newer one counts");
}

void run_store_file(fuzzing::ByteSpan data) {
  Input input(data);
  const crypto::MasterKeys* const keys = input.flag() ? &fixed_keys() : nullptr;
  const std::size_t repaired = input.pick(4);
  MemoryFiles files;
  const WrittenStore written = write_store(input, files, keys);
  Bytes file = written.file;
  constexpr std::array<std::uint64_t, 4> kPlaces = {0, kSlotCrcAt, kSlotStride,
                                                    kSlotStride + kSlotCrcAt};
  while (!input.empty()) {
    change(input, kPlaces, file);
  }
  for (std::size_t slot = 0; slot < 2; ++slot) {
    if ((repaired >> slot & 1U) != 0) {
      fit_slot_crc(file, slot);
    }
  }
  files.put(kStorePath, file);
  check_loading(files, keys, written, keys != nullptr || !is_forged(file, written.file));
  // The other kind of reader: it must not take the file for one of its own.
  const crypto::MasterKeys* const others = keys == nullptr ? &fixed_keys() : nullptr;
  const auto stranger = core::StoreIdentity::load(files, kStoreDirectory, others);
  must_hold(!stranger || (keys != nullptr && is_forged(file, written.file)),
            "an encrypted store is not taken for a plain one, nor the reverse");
}

std::vector<Seed> store_file_seeds() {
  const auto written = [](int keys, int repaired) {
    return SeedBytes()
        .add_each({keys, repaired})
        .add_each({5, 100, 7, 8, 9})
        .add_each({1, 5, 100, 17, 18, 19});
  };
  return {
      {.name = "seed-plain", .bytes = written(0, 0).bytes()},
      {.name = "seed-encrypted", .bytes = written(1, 0).bytes()},
      {.name = "seed-one-damaged", .bytes = written(0, 0).add_each({4, 0, 30, 0, 2}).bytes()},
      {.name = "seed-forged", .bytes = written(1, 1).add_each({5, 0, 48, 0, 99}).bytes()},
      {.name = "seed-swapped", .bytes = written(0, 0).add_each({3, 0, 0, 31, 2, 0}).bytes()},
      {.name = "seed-short", .bytes = written(1, 0).add_each({0, 2, 100, 0}).bytes()},
  };
}

}  // namespace

fuzzing::Target store_file_target() {
  return {
      .name = "store_file", .run = run_store_file, .seeds = store_file_seeds, .mutations = 8000};
}

}  // namespace pluresdb::fuzz
