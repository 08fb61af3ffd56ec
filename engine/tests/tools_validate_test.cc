// pluresdb-validate, the real program, on stores that the engine made and the test then damaged:
// what it calls lost, what safe, what it advises. Every run also compares a digest of the
// directory.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/io/file_system.h"
#include "engine/tests/core_test_util.h"
#include "engine/tests/tools_test_support.h"
#include "engine/wal/group_builder.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_format.h"
#include <pluresdb/document.h>
#include <pluresdb/rebuild.h>

namespace pluresdb::testing {
namespace {

/// Three small documents, a large one, an overwritten one; closed.
void fill(ToolStore& store) {
  store.open();
  store.put("small/1", R"("MARK-SMALL-1")");
  store.put("small/2", R"("MARK-SMALL-2")");
  store.put("large/1", R"(["MARK-LARGE-1)" + std::string(5000, 'x') + "\"]");
  store.put("small/3", R"("MARK-SMALL-3")");
  ASSERT_TRUE(store.engine().erase("b", "small/2").has_value());
}

TEST(Validate, HealthyStoreIsZero) {
  ToolStore store;
  fill(store);
  store.close();
  for (const char* flags : {"", "--check-integrity"}) {
    const ToolRun run = store.run("validate", flags);
    EXPECT_EQ(run.status, 0) << run.out << run.error;
    EXPECT_CONTAINS(run.out, "LOST        nothing\n");
    EXPECT_CONTAINS(run.out, "SAFE        3 documents");
    EXPECT_CONTAINS(run.out, "DO          nothing\n");
    EXPECT_CONTAINS(run.out, "VERDICT     healthy\n");
    EXPECT_TRUE(run.error.empty());
  }
  const auto json = store.json("validate", 0, "--check-integrity");
  EXPECT_TRUE(json["healthy"].get_bool().value_unsafe());
  EXPECT_EQ(number(json, "/documents_checked"), 3U);
  EXPECT_EQ(number(json, "/footers_checked"), 1U);
  EXPECT_EQ(number(json, "/large_references"), 1U);
  EXPECT_EQ(number(json, "/log/entries"), 5U);
}

TEST(Validate, StoreAfterACrashIsHealthyAndItsGapDeclared) {
  ToolStore store;
  fill(store);
  store.drop();
  store.open();  // Not closed before: seqs jump, and the new header says so.
  store.put("later", "1");
  store.close();
  const auto json = store.json("validate", 0, "--check-integrity");
  ASSERT_EQ(length(json, "/declared_gaps"), 1U);
  EXPECT_EQ(number(json, "/declared_gaps/0/0"), 6U);
  EXPECT_CONTAINS(store.run("validate").out, "1 gap in the seqs, declared");
}

TEST(Validate, FlippedByteInARecordIsNamedAndTheCheckpointStillHasIt) {
  ToolStore store;
  fill(store);
  store.close();
  flip_byte(store.segment(1), place_of(store.segment(1), "MARK-SMALL-1"));
  const auto json = store.json("validate", 1);
  EXPECT_EQ(length(json, "/lost"), 0U) << "the base store has it";
  EXPECT_EQ(length(json, "/unreadable_in_log"), 1U);
  EXPECT_EQ(number(json, "/unreadable_in_log/0/0"), 1U);
  EXPECT_EQ(number(json, "/documents/live"), 3U);
  const ToolRun run = store.run("validate");
  EXPECT_EQ(run.status, 1);
  EXPECT_CONTAINS(run.out, "LOST        nothing that the store itself can still tell");
  EXPECT_CONTAINS(run.out,
                  "1 entry: seq 1: unreadable in the log, but in the checkpoint or superseded, "
                  "unless the damage is older than the checkpoint");
  EXPECT_CONTAINS(run.out, "damaged group at bytes 4096..");
  EXPECT_CONTAINS(run.out, "copy the whole directory aside");
  EXPECT_CONTAINS(run.out, "VERDICT     damaged");
}

TEST(Validate, FlippedByteBehindTheCheckpointIsLost) {
  ToolStore store;
  fill(store);
  store.drop();
  flip_byte(store.segment(1), place_of(store.segment(1), "MARK-SMALL-1"));
  const auto json = store.json("validate", 1);
  ASSERT_EQ(length(json, "/lost"), 1U);
  EXPECT_EQ(number(json, "/lost/0/0"), 1U);
  EXPECT_EQ(number(json, "/lost/0/1"), 1U);
  EXPECT_EQ(number(json, "/documents/live"), 2U);
  EXPECT_CONTAINS(store.run("validate").out,
                  "LOST        1 entry: seq 1, acknowledged once and in no file any more");
}

TEST(Validate, FlippedByteInALargeValueNamesItsDocument) {
  ToolStore store;
  fill(store);
  store.close();
  flip_byte(store.segment(1), place_of(store.segment(1), "MARK-LARGE-1"));
  const auto json = store.json("validate", 1);
  ASSERT_EQ(length(json, "/unreadable_documents"), 1U);
  EXPECT_EQ(word(json, "/unreadable_documents/0/id"), "large/1");
  EXPECT_EQ(number(json, "/unreadable_documents/0/seq"), 3U);
  EXPECT_EQ(number(json, "/lost/0/0"), 3U) << "the base store only refers to it";
  EXPECT_EQ(number(json, "/documents/live"), 2U);
  const ToolRun run = store.run("validate");
  EXPECT_EQ(run.status, 1);
  EXPECT_CONTAINS(run.out, "LOST        1 entry: seq 3, acknowledged once");
  EXPECT_CONTAINS(run.out, "the contents of 1 document");
  EXPECT_EQ(run.out.find("in the checkpoint or superseded"), std::string::npos) << run.out;
  EXPECT_CONTAINS(run.out,
                  "document \"large/1\" (seq 3): its value of 5016 bytes in "
                  "0000000000000001.wal is damaged");
  EXPECT_CONTAINS(run.out, "write the unreadable documents again, or erase them");
}

TEST(Validate, FlippedByteInTheFooterLosesNothing) {
  ToolStore store;
  fill(store);
  store.close();
  const std::string bytes = contents_of(store.segment(1));
  flip_byte(store.segment(1), bytes.rfind("WFOT") + 70);
  const ToolRun run = store.run("validate");
  EXPECT_EQ(run.status, 1);
  EXPECT_CONTAINS(run.out, "damaged footer at bytes");
  EXPECT_CONTAINS(run.out, "LOST        nothing");
}

TEST(Validate, FlippedByteInAHeaderCopyLosesNothing) {
  ToolStore store;
  fill(store);
  store.close();
  flip_byte(store.segment(1), 40);
  ToolRun run = store.run("validate");
  EXPECT_EQ(run.status, 1);
  EXPECT_CONTAINS(run.out, "one of two header copies is damaged");
  EXPECT_CONTAINS(run.out, "LOST        nothing");
  flip_byte(store.segment(1), 2048 + 40);
  run = store.run("validate");
  EXPECT_EQ(run.status, 1);
  EXPECT_CONTAINS(run.out, "damaged segment header");
  EXPECT_CONTAINS(run.out, "5 entries in the log, all read");
}

TEST(Validate, MissingSegmentIsNamedByItsSeqs) {
  ToolStore store;
  store.open();
  for (int i = 0; i < 24; ++i) {
    store.put(fmt::format("d{}", i), json_of(static_cast<std::uint64_t>(i), 9000));
  }
  store.drop();
  const auto before = store.json("inspect", 0);
  const std::uint64_t first = number(before, "/segments/1/seqs/0");
  const std::uint64_t last = number(before, "/segments/1/seqs/1");
  std::filesystem::remove(store.segment(2));
  const auto json = store.json("validate", 1);
  ASSERT_EQ(length(json, "/lost"), 1U);
  EXPECT_EQ(number(json, "/lost/0/0"), first);
  EXPECT_EQ(number(json, "/lost/0/1"), last);
  EXPECT_EQ(number(json, "/documents/live"), 24 - (last - first + 1));
  EXPECT_CONTAINS(lines(json, "/problems"), "0000000000000002.wal is missing");
}

TEST(Validate, DamagedValueThatNobodyRefersToIsNoLoss) {
  ToolStore store;
  fill(store);
  store.put("large/1", "1");
  store.close();
  flip_byte(store.segment(1), place_of(store.segment(1), "MARK-LARGE-1"));
  const auto json = store.json("validate", 1);
  EXPECT_EQ(length(json, "/lost"), 0U);
  EXPECT_EQ(number(json, "/unreadable_in_log/0/0"), 3U);
  EXPECT_EQ(length(json, "/unreadable_documents"), 0U);
}

TEST(Validate, ReferenceToAValueWhoseSegmentIsGoneIsFound) {
  ToolStore store;
  store.open();
  for (int i = 0; i < 24; ++i) {
    store.put(fmt::format("d{:02}", i), json_of(static_cast<std::uint64_t>(i), 9000));
  }
  store.close();  // Checkpointed: below its seq files may have been removed on purpose.
  const auto before = store.json("inspect", 0);
  const std::uint64_t values = number(before, "/segments/1/live_values/count");
  ASSERT_GT(values, 2U);
  const std::uint64_t first = number(before, "/segments/1/seqs/0");
  std::filesystem::remove(store.segment(2));
  const auto json = store.json("validate", 1);
  EXPECT_EQ(number(json, "/documents/unreadable"), values);
  EXPECT_EQ(length(json, "/unreadable_documents"), values);
  EXPECT_EQ(number(json, "/unreadable_documents/0/seq"), first);
  EXPECT_EQ(number(json, "/lost/0/0"), first);
  EXPECT_EQ(number(json, "/lost/0/1"), first + values - 1);
  EXPECT_CONTAINS(lines(json, "/problems"), "its value of 9000 bytes is not in the log");
}

/// Small documents only: the base store has them all, and no document refers to the segment.
TEST(Validate, CoveredSegmentThatNobodyRemovedIsMissed) {
  ToolStore store;
  store.open();
  for (std::uint64_t i = 0; i < 300; ++i) {
    store.put(fmt::format("d{:03}", i), json_of(i, 900));
  }
  store.close();  // A first checkpoint: nothing is removed yet.
  const auto before = store.json("validate", 0);
  ASSERT_EQ(number(before, "/compacted_through_seq"), 0U);
  const std::uint64_t last = number(store.json("inspect", 0), "/segments/1/seqs/1");
  std::filesystem::remove(store.segment(2));
  const auto json = store.json("validate", 1);
  EXPECT_CONTAINS(lines(json, "/problems"),
                  fmt::format("0000000000000002.wal is missing, with seqs up to {}", last));
  EXPECT_EQ(length(json, "/lost"), 0U) << "the base store has what it held";
  EXPECT_CONTAINS(lines(json, "/advice"), "who removes files");
  std::filesystem::remove(store.segment(1));
  EXPECT_CONTAINS(lines(store.json("validate", 1), "/problems"), "from 1 or above")
      << "two that are gone in a row are one hole";
}

/// The limit that --help and docs/DURABILITY.md state.
TEST(Validate, SegmentsThatCompactionRemovedAreNotMissed) {
  ToolStore store;
  store.open();
  for (int round = 0; round < 2; ++round) {
    for (std::uint64_t i = 0; i < 150; ++i) {
      store.put(fmt::format("d{:03}", i), json_of(i, 900));
    }
    ASSERT_TRUE(store.engine().checkpoint().has_value());
  }
  ASSERT_GT(store.engine().stats().segments_deleted, 0U);
  store.close();
  EXPECT_EQ(store.run("validate").status, 0);
  EXPECT_CONTAINS(run_tool("validate", "--help", store.scratch()).out, "cannot tell");
}

TEST(Validate, MissingBaseStoreSaysWhatHelps) {
  ToolStore store;
  fill(store);
  store.close();
  std::filesystem::remove_all(store.file("base"));
  const ToolRun run = store.run("validate");
  EXPECT_EQ(run.status, 1);
  EXPECT_CONTAINS(run.out, "/base is missing");
  EXPECT_CONTAINS(run.out, "LOST        nothing");
  EXPECT_CONTAINS(run.out, "3 documents") << "the log has them all";
  EXPECT_CONTAINS(run.out, "the log reaches back to seq 1");
}

TEST(Validate, MissingBaseStoreOfACompactedLogIsALoss) {
  ToolStore store;
  store.open();
  for (int i = 0; i < 20; ++i) {
    store.put(fmt::format("d{}", i), json_of(static_cast<std::uint64_t>(i), 9000));
    store.put(fmt::format("s{}", i), "1");
    ASSERT_TRUE(store.engine().checkpoint().has_value());
    ASSERT_TRUE(store.engine().erase("a", fmt::format("d{}", i)).has_value());
  }
  store.close();
  EXPECT_EQ(store.run("validate", "--check-integrity").status, 0);
  std::filesystem::remove_all(store.file("base"));
  const auto json = store.json("validate", 1);
  ASSERT_EQ(length(json, "/lost"), 1U);
  EXPECT_EQ(number(json, "/lost/0/0"), 1U);
  EXPECT_CONTAINS(lines(json, "/advice"), "restore base/ from a backup");
}

TEST(Validate, DamagedBlockOfTheBaseStoreIsNamedByItsTable) {
  ToolStore store;
  store.open();
  for (int i = 0; i < 300; ++i) {
    store.put(fmt::format("doc/{:04}", i), json_of(static_cast<std::uint64_t>(i), 400));
  }
  store.close();
  std::string largest;
  for (const auto& entry : std::filesystem::directory_iterator(store.file("base"))) {
    if (entry.path().extension() == ".sst" &&
        (largest.empty() || entry.file_size() > std::filesystem::file_size(largest))) {
      largest = entry.path();
    }
  }
  ASSERT_GT(std::filesystem::file_size(largest), 10'000U);
  flip_byte(largest, std::filesystem::file_size(largest) / 3);
  const auto json = store.json("validate", 1);
  EXPECT_EQ(number(json, "/damaged_tables"), 1U);
  EXPECT_CONTAINS(lines(json, "/problems"),
                  "base/" + std::filesystem::path(largest).filename().string());
  EXPECT_CONTAINS(lines(json, "/problems"), "cannot be read to its end");
  EXPECT_CONTAINS(lines(json, "/advice"), "move base/ away");
  std::filesystem::remove(largest);
  EXPECT_CONTAINS(store.run("validate").out, "is missing or damaged");
}

TEST(Validate, LogThatVanishedIsALoss) {
  ToolStore store;
  fill(store);
  store.close();
  std::filesystem::remove_all(store.file("wal"));
  const auto json = store.json("validate", 1);
  EXPECT_TRUE(json["log_lost"].get_bool().value_unsafe());
  EXPECT_EQ(number(json, "/documents/live"), 2U);
  EXPECT_EQ(word(json, "/unreadable_documents/0/id"), "large/1");
  EXPECT_CONTAINS(lines(json, "/problems"), "the end of the log is gone");
}

TEST(Validate, DamagedIdentityIsNamed) {
  ToolStore store;
  fill(store);
  store.close();
  flip_byte(store.file("STORE"), 30);
  ToolRun run = store.run("validate");
  EXPECT_EQ(run.status, 1);
  EXPECT_CONTAINS(run.out, "one of its two copies is damaged");
  flip_byte(store.file("STORE"), 4096 + 30);
  run = store.run("validate");
  EXPECT_EQ(run.status, 1);
  EXPECT_CONTAINS(run.out, "neither of its two copies is readable");
  EXPECT_CONTAINS(run.out, "restore the STORE file");
  EXPECT_CONTAINS(run.out, "3 documents");
}

TEST(Validate, NewerFormatIsThree) {
  ToolStore store;
  fill(store);
  store.close();
  // A valid header of the next version in the first of its two places.
  const std::string bytes = contents_of(store.segment(1));
  std::vector<std::byte> header(wal::kSegmentHeaderCopyBytes);
  std::ranges::copy(base::as_bytes(bytes).first(header.size()), header.begin());
  base::store(base::MutableByteSpan(header), 12, wal::kFormatVersion + 1);
  base::store(base::MutableByteSpan(header), 8, base::crc32c(base::ByteSpan(header).subspan(12)));
  const auto file = io::posix_file_system().open(store.segment(1), io::OpenMode::kReadWrite);
  ASSERT_TRUE((*file)->write(0, header).has_value());
  const ToolRun run = store.run("validate");
  EXPECT_EQ(run.status, 3);
  EXPECT_CONTAINS(run.error, "unsupported_version");
  EXPECT_CONTAINS(run.error, "format version " + std::to_string(wal::kFormatVersion + 1));
}

/// One more segment behind the last one, with the given records: valid in every checksum.
void add_segment(const ToolStore& store, std::uint64_t id, wal::SegmentHeader header,
                 const std::vector<wal::RecordView>& records,
                 const std::vector<wal::RecordView>& indexed) {
  io::FileSystem& files = io::posix_file_system();
  const std::string path = store.segment(id);
  {
    const auto first = files.open(store.segment(1), io::OpenMode::kRead);
    std::vector<std::byte> bytes(wal::kSegmentHeaderBytes);
    ASSERT_TRUE((*first)->read(0, bytes).has_value());
    header.store_uuid = wal::decode_segment_header(bytes).header->store_uuid;
  }
  header.id = id;
  header.salt = 77;
  header.capacity_bytes = 1 << 20;
  wal::GroupBuilder group;
  group.clear();
  for (const auto& record : records) {
    group.add(record);
  }
  wal::SegmentIndex index;
  for (const auto& record : indexed) {
    index.add_seq(record.seq);
  }
  std::vector<std::byte> bytes(wal::kSegmentHeaderBytes);
  wal::encode_segment_header(header, bytes);
  base::append_bytes(bytes, group.place(header.salt, bytes.size(), bytes.size(), 0).front());
  index.groups.push_back({.first_seq = indexed.front().seq, .offset = wal::kSegmentHeaderBytes});
  const auto footer = wal::encode_footer(
      {.first_seq = indexed.front().seq, .last_seq = indexed.back().seq, .next_segment_id = id + 1},
      index, header.salt, bytes.size());
  base::append_bytes(bytes, footer);
  const auto file = files.open(path, io::OpenMode::kCreateNew);
  ASSERT_TRUE((*file)->write(0, bytes).has_value());
}

wal::RecordView record_of(Seq seq, Hlc hlc, std::uint64_t actor_seq, std::string_view json) {
  wal::RecordView record;
  record.seq = seq;
  record.hlc = hlc;
  record.actor_seq = actor_seq;
  record.actor = "z";
  record.id = "made";
  record.value = json;
  record.value_bytes = json.size();
  record.value_crc = base::crc32c(base::as_bytes(json));
  return record;
}

/// Where the only segment of a closed store ends.
wal::Predecessor end_of_first(const ToolStore& store) {
  return {.id = 1, .valid_bytes = contents_of(store.segment(1)).rfind("WFOT"), .last_seq = 5};
}

constexpr Hlc kLate = ~0ULL >> 1;

TEST(Validate, FooterThatContradictsTheRecordsIsFound) {
  ToolStore store;
  fill(store);
  store.close();
  const auto six = record_of(6, kLate, 1, "1");
  const auto seven = record_of(7, kLate + 1, 2, "2");
  add_segment(store, 2, {.first_seq = 6, .predecessor = end_of_first(store)}, {six, seven},
              {seven});
  const ToolRun run = store.run("validate");
  EXPECT_EQ(run.status, 1);
  EXPECT_CONTAINS(run.out, "the footer does not name seq 6, which is there");
  EXPECT_CONTAINS(run.out, "names a group at byte 4096, which is not there");
  EXPECT_CONTAINS(run.out, "LOST        nothing");
  EXPECT_EQ(store.run("inspect").status, 0) << "inspect does not compare footers";
}

TEST(Validate, HeadersThatContradictEachOtherAreFound) {
  ToolStore store;
  fill(store);
  store.close();
  const auto six = record_of(6, kLate, 1, "1");
  wal::Predecessor end = end_of_first(store);
  end.last_seq = 3;  // Segment 1 holds 4 and 5.
  add_segment(store, 2, {.first_seq = 6, .predecessor = end}, {six}, {six});
  const ToolRun run = store.run("validate");
  EXPECT_EQ(run.status, 1);
  EXPECT_CONTAINS(run.out, "ends at seq 3, and that one holds seq 5");
}

TEST(Validate, IntegrityFindsWhatNoChecksumSees) {
  ToolStore store;
  fill(store);
  store.close();
  const std::vector<wal::RecordView> records = {
      record_of(6, kLate, 5, "{\"no json\""), record_of(7, kLate, 4, "7"), record_of(8, 1, 9, "8")};
  std::vector<wal::RecordView> ids = records;
  ids[0].id = "bad/json";
  add_segment(store, 2, {.first_seq = 6, .predecessor = end_of_first(store)}, ids, ids);
  EXPECT_EQ(store.run("validate").status, 0) << "every checksum is right";
  const auto json = store.json("validate", 1, "--check-integrity");
  EXPECT_EQ(number(json, "/invalid_documents"), 1U);
  const std::string problems = lines(json, "/problems");
  EXPECT_CONTAINS(problems, "document \"bad/json\" (seq 6)");
  EXPECT_CONTAINS(problems, "entry with seq 7: actor_seq 4 of \"z\" is not above 5");
  EXPECT_CONTAINS(problems, "entry with seq 8: its clock 1 is not above");
  EXPECT_CONTAINS(problems, "entry with seq 8: its actor_seq 9 is above its seq");
}

TEST(Validate, RebuiltStoreIsHealthy) {
  ToolStore store;
  store.open();
  for (int i = 0; i < 40; ++i) {
    store.put(fmt::format("d{}", i % 13),
              json_of(static_cast<std::uint64_t>(i), i % 2 == 0 ? 8000 : 50));
    if (i % 10 == 9) {
      ASSERT_TRUE(store.engine().checkpoint().has_value());
    }
  }
  store.drop();
  RebuildOptions options;
  options.engine = small_options();
  const std::string output = store.scratch().path("rebuilt");
  const std::string before = digest_of(store.path());
  const auto stats = rebuild_from_wal(store.file("wal"), output, options);
  ASSERT_TRUE(stats.has_value()) << text_of(stats);
  EXPECT_TRUE(stats->is_complete);
  EXPECT_EQ(digest_of(store.path()), before) << "the source stays as it is";
  const ToolRun run =
      run_tool("validate", "--check-integrity --data-dir '" + output + "'", store.scratch());
  EXPECT_EQ(run.status, 0) << run.out << run.error;
  EXPECT_CONTAINS(run.out, "13 documents");
}

}  // namespace
}  // namespace pluresdb::testing
