#include "engine/wal/header_survey.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <ranges>
#include <span>
#include <string>
#include <vector>

#include "engine/io/file_system.h"
#include "engine/wal/frame_seal.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_access.h"
#include "engine/wal/segment_format.h"
#include "engine/wal/segment_reader.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>

namespace pluresdb::wal {
namespace {

/// What is known of one file.
struct Surveyed {
  std::uint64_t id = 0;
  bool has_header = false;
  bool rewritten = false;  ///< With a header.
  Predecessor predecessor;
  Seq first_seq = 0;  ///< Of its header, else of its first readable group; 0: not known.
};

/// A seq that the file holds, whatever is left of it; 0: none is readable.
Result<Seq> any_seq_of(io::File& file, std::uint64_t known_end) {
  TRY_ASSIGN(const std::uint64_t size_bytes, file.size());
  TRY_ASSIGN(const std::uint64_t salt, find_salt(file, size_bytes, known_end));
  if (salt == 0) {
    return Seq{0};
  }
  SegmentReader reader(file, SegmentAccess{.salt = salt}, size_bytes);
  TRY_ASSIGN(Frame frame, reader.find_frame(kSegmentHeaderBytes));
  while (frame.kind == FrameKind::kGroup && frame.group.record_count == 0) {  // Watermarks.
    TRY_ASSIGN(frame, reader.find_frame(frame.end));
  }
  if (frame.kind == FrameKind::kGroup) {
    return frame.group.first_seq;
  }
  TRY_ASSIGN(const auto found, read_file_trailer(file, size_bytes));
  return found && found->salt == salt ? found->trailer.last_seq : Seq{0};
}

/// Whether a file without a header is a rewritten segment. In the chain of appended ones each names
/// the one before it; and each has greater seqs than those before it.
bool seems_rewritten(const std::vector<Surveyed>& files, std::size_t index) {
  const std::uint64_t id = files[index].id;
  const auto appended = [](const Surveyed& file) { return file.has_header && !file.rewritten; };
  const auto behind = std::ranges::find_if(files.begin() + static_cast<std::ptrdiff_t>(index) + 1,
                                           files.end(), appended);
  if (behind != files.end() && behind->predecessor.id <= id) {
    return behind->predecessor.id < id;
  }
  return files[index].first_seq != 0 &&
         std::ranges::any_of(files | std::views::take(index), [&](const Surveyed& file) {
           return appended(file) && file.first_seq > files[index].first_seq;
         });
}

}  // namespace

Result<HeaderSurvey> survey_headers(const LogOptions& options, std::span<const std::uint64_t> ids) {
  HeaderSurvey survey;
  std::vector<Surveyed> files;
  for (const std::uint64_t id : ids) {
    const std::string path = io::join_path(options.directory, segment_name(id));
    TRY_ASSIGN(const std::unique_ptr<io::File> file,
               options.files->open(path, io::OpenMode::kRead));
    TRY_ASSIGN(const OpenedHeader read, open_header(*file, id, path, options.keys));  // INV-WAL-17
    files.emplace_back();
    files.back().id = id;
    if (!read.header) {  // Reported by the scan.
      continue;
    }
    if (read.header->id != id) {  // Renamed; as above.
      files.back().first_seq = read.header->first_seq;
      continue;
    }
    if (read.header->store_uuid != options.store_uuid &&
        options.store_uuid != std::array<std::byte, 16>{}) {
      return fail(ErrorCode::kCorruption,
                  path + " belongs to another store: move it out of the directory");
    }
    survey.headers.emplace(id, *read.header);
    files.back() = {.id = id,
                    .has_header = true,
                    .rewritten = read.header->rewritten,
                    .predecessor = read.header->predecessor,
                    .first_seq = read.header->first_seq};
    const Predecessor& end = read.header->predecessor;
    if (end.id != 0) {
      const auto [known, inserted] = survey.known_ends.emplace(end.id, end);
      if (!inserted && end.valid_bytes < known->second.valid_bytes) {
        known->second = end;
      }
    }
  }
  // Where such a file ends is known when all headers are read.
  for (Surveyed& headerless : files) {
    if (headerless.has_header || headerless.first_seq != 0 || options.keys != nullptr) {
      continue;  // Without its header nobody reads an encrypted file.
    }
    const std::string path = io::join_path(options.directory, segment_name(headerless.id));
    TRY_ASSIGN(const std::unique_ptr<io::File> file,
               options.files->open(path, io::OpenMode::kRead));
    const auto known = survey.known_ends.find(headerless.id);
    TRY_ASSIGN(headerless.first_seq,
               any_seq_of(*file, known == survey.known_ends.end() ? 0 : known->second.valid_bytes));
  }
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (!files[i].has_header && seems_rewritten(files, i)) {
      survey.headerless_rewritten.insert(files[i].id);
    } else if (!files[i].rewritten) {
      survey.newest_appended_id = files[i].id;
    }
  }
  return survey;
}

}  // namespace pluresdb::wal
