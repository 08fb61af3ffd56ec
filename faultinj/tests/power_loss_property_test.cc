// Random operations on power_loss_file_system against the model (power_loss_model.h), 1000 cases
// each. What is read must equal the live state; after a kill at any operation below and a power
// loss it must equal the durable state. Mutants seen red: see the names of the properties.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>
#include <unistd.h>

#include "engine/io/file_system.h"
#include "faultinj/power_loss.h"
#include "faultinj/power_loss_file_system.h"
#include "faultinj/tests/observed_file_system.h"
#include "faultinj/tests/power_loss_model.h"
#include "faultinj/tests/test_directory.h"
#include <pluresdb/error.h>

namespace faultinj {
namespace {

using pluresdb::Result;
using pluresdb::Status;
using pluresdb::io::FileSystem;
using Keep = PowerLossPolicy::Keep;

std::string text_of(const Status& status) {
  return status ? std::string() : pluresdb::to_string(status.error());
}

int new_journal() {
  const auto journal = create_power_loss_journal();
  RC_ASSERT(journal.has_value());
  return *journal;
}

/// A directory, a journal and a file system over both: one machine.
struct Machine {
  TestDirectory directory{TestDirectory::Where::kMemory};
  Descriptor journal{new_journal()};
  ObservedFileSystem below;
  std::unique_ptr<FileSystem> files;
  std::unique_ptr<ModelRunner> runner;
  Model model;

  Machine() {
    boot();
    RC_ASSERT(text_of(runner->make_directories()) == "");
  }

  /// A worker starts (again): handles are gone, the journal is inherited.
  void boot() {
    runner.reset();
    files.reset();
    auto made = make_power_loss_file_system(below, directory.path(), journal.get());
    RC_ASSERT(made.has_value());
    files = *std::move(made);
    runner = std::make_unique<ModelRunner>(*files, directory.path());
    model.close_slots();
  }

  /// False when the operation is impossible in this state.
  bool step(const ModelOperation& operation) {
    if (!model.is_possible(operation)) {
      return false;
    }
    RC_ASSERT(text_of(runner->run(operation)) == "");
    model.apply(operation);
    return true;
  }

  Contents contents() {
    auto read = read_contents(*files, directory.path());
    RC_ASSERT(read.has_value());
    return *std::move(read);
  }

  PowerLossOutcome lose_power(const PowerLossPolicy& policy) {
    runner.reset();
    files.reset();
    const auto outcome = apply_power_loss(directory.path(), journal.get(), policy);
    RC_ASSERT(outcome.has_value());
    boot();
    return *outcome;
  }
};

/// What a kill right now would leave: a copy of the directory and of the journal.
struct CrashImage {
  TestDirectory directory{TestDirectory::Where::kMemory};
  Descriptor journal;

  CrashImage(const std::string& root, int from) : journal(new_journal()) {
    namespace fs = std::filesystem;
    fs::copy(root, directory.path(), fs::copy_options::recursive);
    std::vector<char> bytes(1 << 16);
    off_t offset = 0;
    for (;;) {
      const ssize_t count = ::pread(from, bytes.data(), bytes.size(), offset);
      RC_ASSERT(count >= 0);
      if (count == 0) {
        break;
      }
      RC_ASSERT(::pwrite(journal.get(), bytes.data(), static_cast<std::size_t>(count), offset) ==
                count);
      offset += count;
    }
  }
};

std::vector<std::uint32_t> any_operations() {
  return *rc::gen::container<std::vector<std::uint32_t>>(
      rc::gen::inRange<std::uint32_t>(0, std::numeric_limits<std::uint32_t>::max()));
}

void check_slots(Machine& machine) {
  for (std::size_t slot = 0; slot < kModelSlots; ++slot) {
    if (machine.model.slots.at(slot) != Model::kClosed) {
      const auto contents = machine.runner->read_slot(slot);
      RC_ASSERT(contents.has_value());
      RC_ASSERT(*contents == machine.model.files.at(machine.model.slots.at(slot)).live);
    }
  }
}

// Mutants seen red: reads ignore unsynced bytes; a truncation does not hide the file below.
RC_GTEST_PROP(PowerLossFileSystem, ReadsEqualTheLiveStateAlsoAfterInheriting, ()) {
  Machine machine;
  for (const std::uint32_t number : any_operations()) {
    if (machine.step(decode_operation(number)) && number % 16 == 0) {
      check_slots(machine);
      RC_ASSERT(machine.contents() == contents_of(machine.model, machine.model.live, false));
    }
    if (number % 37 == 0) {
      machine.boot();
    }
  }
  check_slots(machine);
  RC_ASSERT(machine.contents() == contents_of(machine.model, machine.model.live, false));
  machine.boot();
  RC_ASSERT(machine.contents() == contents_of(machine.model, machine.model.live, false));
}

// Mutants seen red: a file's sync makes its name durable; changes undone in forward order; a
// replaced file is not put back.
RC_GTEST_PROP(PowerLossFileSystem, PowerLossLeavesExactlyTheDurableState, ()) {
  Machine machine;
  for (const std::uint32_t number : any_operations()) {
    machine.step(decode_operation(number));
    if (number % 29 == 0) {
      machine.lose_power({.keep = Keep::kNothing});
      machine.model.lose_power();
      RC_ASSERT(machine.contents() == contents_of(machine.model, machine.model.live, false));
    }
  }
  machine.lose_power({.keep = Keep::kNothing});
  machine.model.lose_power();
  RC_ASSERT(machine.contents() == contents_of(machine.model, machine.model.live, false));
  const auto pending = power_loss_pending_bytes(machine.journal.get());
  RC_ASSERT(pending.has_value() && *pending == 0);
  // Nothing of ours stays behind.
  RC_ASSERT(!std::filesystem::exists(machine.directory.path() + "/.power-loss"));
}

RC_GTEST_PROP(PowerLossFileSystem, KeepingEverythingMakesTheFilesBelowTheLiveState, ()) {
  Machine machine;
  for (const std::uint32_t number : any_operations()) {
    machine.step(decode_operation(number));
  }
  machine.lose_power({.keep = Keep::kEverything});
  const auto below = read_contents(pluresdb::io::posix_file_system(), machine.directory.path());
  RC_ASSERT(below.has_value());
  RC_ASSERT(*below == contents_of(machine.model, machine.model.live, false));
}

// Mutants seen red: the change is made below before it is in the journal; settle() does nothing.
RC_GTEST_PROP(PowerLossFileSystem, AKillAtAnyOperationBelowLeavesAUsableJournal, ()) {
  Machine machine;
  const auto kill_at = *rc::gen::inRange<std::uint64_t>(0, 60);
  std::uint64_t changes = 0;
  std::unique_ptr<CrashImage> image;
  machine.below.before_change = [&] {
    if (changes++ == kill_at) {
      image = std::make_unique<CrashImage>(machine.directory.path(), machine.journal.get());
    }
  };
  std::optional<ModelOperation> inside;
  Model before = machine.model;
  for (const std::uint32_t number : any_operations()) {
    before = machine.model;
    inside = decode_operation(number);
    machine.step(*inside);
    if (image != nullptr) {
      break;
    }
  }
  machine.below.before_change = [] {};
  if (image == nullptr) {  // The kill comes behind the last operation.
    inside.reset();
    before = machine.model;
    image = std::make_unique<CrashImage>(machine.directory.path(), machine.journal.get());
  }
  {
    const auto inherited =
        make_power_loss_file_system(machine.below, image->directory.path(), image->journal.get());
    RC_ASSERT(inherited.has_value());
    const auto contents = read_contents(**inherited, image->directory.path());
    RC_ASSERT(contents.has_value());
    RC_ASSERT(*contents == contents_of(before, before.live, false) ||
              *contents == contents_of(machine.model, machine.model.live, false));
  }
  const auto outcome =
      apply_power_loss(image->directory.path(), image->journal.get(), {.keep = Keep::kNothing});
  RC_ASSERT(outcome.has_value());
  const auto durable = read_contents(pluresdb::io::posix_file_system(), image->directory.path());
  RC_ASSERT(durable.has_value());
  RC_ASSERT(durable_states(before, inside).contains(*durable));
}

/// Every byte is a durable one, one that was written since, or a zero where the file has grown.
bool is_mixture(const ModelFile& file, const std::string& found) {
  std::size_t longest = file.durable.size();
  std::vector<std::string> states{file.durable};
  std::string state = file.durable;
  for (const ModelOperation& operation : file.unsynced) {
    apply_to(state, operation);
    states.push_back(state);
    longest = std::max(longest, state.size());
  }
  if (found.size() > longest) {
    return false;
  }
  for (std::size_t index = 0; index < found.size(); ++index) {
    const bool known = found[index] == '\0' || std::ranges::any_of(states, [&](const auto& s) {
                         return index < s.size() && s[index] == found[index];
                       });
    if (!known) {
      return false;
    }
  }
  return true;
}

RC_GTEST_PROP(PowerLossFileSystem, ASubsetIsAMixtureOfOldAndNew, ()) {
  Machine machine;
  for (const std::uint32_t number : any_operations()) {
    machine.step(decode_operation(number));
  }
  const std::uint64_t unsynced_changes = machine.model.changes.size();
  const auto seed = *rc::gen::arbitrary<std::uint64_t>();
  const auto outcome = machine.lose_power({.keep = Keep::kSubset, .seed = seed});
  RC_ASSERT(outcome.directory_changes_kept + outcome.directory_changes_undone == unsynced_changes);
  const ModelNames names = machine.model.names_after(outcome.directory_changes_kept);
  const Contents contents = machine.contents();
  std::size_t count = 0;
  for (std::size_t directory = 0; directory < kModelDirectories; ++directory) {
    for (const auto& [name, file] : names.at(directory)) {
      const auto found = contents.find("d" + std::to_string(directory) + "/" + name);
      RC_ASSERT(found != contents.end());
      RC_ASSERT(is_mixture(machine.model.files.at(file), found->second));
      ++count;
    }
  }
  RC_ASSERT(count == contents.size());
}

}  // namespace
}  // namespace faultinj
