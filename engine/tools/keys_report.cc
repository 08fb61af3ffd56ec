#include "engine/tools/keys_report.h"

#include <cstddef>
#include <cstdint>
#include <string>

#include <fmt/format.h>

#include "engine/base/bytes.h"
#include "engine/crypto/keyring.h"
#include "engine/crypto/keyring_file.h"
#include "engine/crypto/keyring_format.h"
#include "engine/tools/json_writer.h"
#include "engine/tools/text.h"

namespace pluresdb::tools {
namespace {

using crypto::CopyState;
using crypto::KeyringStatus;
using crypto::SlotInfo;
using crypto::SlotState;
using crypto::SlotType;
using crypto::Tombstone;

std::string hex_text(base::ByteSpan bytes) {
  std::string text;
  for (const std::byte byte : bytes) {
    text += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
  }
  return text;
}

const char* state_name(SlotState state) { return state == SlotState::kActive ? "active" : "stale"; }

const char* copy_name(CopyState state) {
  switch (state) {
    case CopyState::kWhole:
      return "whole";
    case CopyState::kMissing:
      return "missing";
    case CopyState::kDamaged:
      return "damaged";
  }
  return "";
}

std::string text_report(const std::string& data_dir, const KeyringStatus& status, bool verified) {
  std::string text = fmt::format("keyring     {}\nstore       {}\n", sanitised(data_dir),
                                 hex_text(status.store_id));
  text += fmt::format("version     generation {}, seq {}\n", status.version.generation,
                      status.version.seq);
  text += fmt::format("proven      {}\n", verified ? "yes" : "no: that takes a secret");
  text += fmt::format("copies      {}, {}{}\n", copy_name(status.first_copy),
                      copy_name(status.second_copy), status.copies_differ ? ": not the same" : "");
  if (!status.old_generations.empty()) {
    text += fmt::format("older keys  {}: generations {} .. {}\n", status.old_generations.size(),
                        status.old_generations.front(), status.old_generations.back());
  }
  text += fmt::format("\n{:<34}{:<14}{:<8}{:<22}{}\n", "slot", "type", "state", "created", "label");
  for (const SlotInfo& slot : status.slots) {
    text += fmt::format("{:<34}{:<14}{:<8}{:<22}{}\n", slot_id_text(slot.id),
                        slot_type_name(slot.type), state_name(slot.state),
                        time_text(slot.created_us), slot.label ? sanitised(*slot.label) : "?");
  }
  for (const Tombstone& tombstone : status.revoked) {
    text += fmt::format("{:<34}revoked {}, generation {}\n", slot_id_text(tombstone.id),
                        time_text(tombstone.revoked_us), tombstone.generation);
  }
  return text;
}

void write_slot(JsonWriter& json, const SlotInfo& slot) {
  json.begin_object().member("id", slot_id_text(slot.id));
  json.member("type", slot_type_name(slot.type)).member("state", state_name(slot.state));
  json.member("created_us", slot.created_us).key("label");
  if (slot.label) {
    json.value(*slot.label);
  } else {
    json.null();
  }
  json.end_object();
}

std::string json_report(const std::string& data_dir, const KeyringStatus& status, bool verified) {
  JsonWriter json;
  json.begin_object().member("data_dir", data_dir).member("store", hex_text(status.store_id));
  json.member("generation", std::uint64_t{status.version.generation});
  json.member("seq", status.version.seq).member("proven", verified);
  json.member("first_copy", copy_name(status.first_copy));
  json.member("second_copy", copy_name(status.second_copy));
  json.member("copies_differ", status.copies_differ).key("old_generations").begin_array();
  for (const auto generation : status.old_generations) {
    json.value(std::uint64_t{generation});
  }
  json.end_array().key("slots").begin_array();
  for (const SlotInfo& slot : status.slots) {
    write_slot(json, slot);
  }
  json.end_array().key("revoked").begin_array();
  for (const Tombstone& tombstone : status.revoked) {
    json.begin_object().member("id", slot_id_text(tombstone.id));
    json.member("revoked_us", tombstone.revoked_us);
    json.member("generation", std::uint64_t{tombstone.generation}).end_object();
  }
  json.end_array().end_object();
  return json.text() + "\n";
}

}  // namespace

std::string slot_id_text(const crypto::SlotId& id) { return hex_text(id); }

const char* slot_type_name(SlotType type) {
  switch (type) {
    case SlotType::kPassword:
      return "password";
    case SlotType::kDeviceKey:
      return "device-key";
    case SlotType::kRecoveryKey:
      return "recovery-key";
  }
  return "";
}

std::string keyring_report(const std::string& data_dir, const KeyringStatus& status, bool verified,
                           bool json) {
  return json ? json_report(data_dir, status, verified) : text_report(data_dir, status, verified);
}

}  // namespace pluresdb::tools
