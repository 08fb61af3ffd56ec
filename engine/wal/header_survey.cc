#include "engine/wal/header_survey.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <ranges>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "engine/io/file_system.h"
#include "engine/wal/frame_seal.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_access.h"
#include "engine/wal/segment_chain.h"
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

/// Whether anything was ever written behind the header. What an activation that failed, or a crash
/// right behind one, leaves is a header and nothing else: no history, and so no other one.
Result<bool> is_used(const LogOptions& options, std::uint64_t id, const std::string& path) {
  TRY_ASSIGN(const std::unique_ptr<io::File> file, options.files->open(path, io::OpenMode::kRead));
  TRY_ASSIGN(const std::uint64_t size_bytes, file->size());
  TRY_ASSIGN(const OpenedHeader read, open_header(*file, id, path, options.keys));
  SegmentReader reader(*file, read.access, size_bytes);
  TRY_ASSIGN(const Frame frame, reader.find_frame(kSegmentHeaderBytes));
  return frame.kind != FrameKind::kNone || reader.tampered() > 0;
}

class Survey {
 public:
  Survey(const LogOptions& options, std::span<const std::uint64_t> ids)
      : options_(options), ids_(ids) {}

  Result<HeaderSurvey> run() {
    for (const std::uint64_t id : ids_) {
      TRY(read_header(id));
    }
    TRY(part_with_strangers());
    survey_.find_known_ends();
    TRY(look_into_headerless());
    for (std::size_t i = 0; i < files_.size(); ++i) {
      if (!files_[i].has_header && seems_rewritten(files_, i)) {
        survey_.headerless_rewritten.insert(files_[i].id);
      } else if (!files_[i].rewritten) {
        survey_.newest_appended_id = files_[i].id;
      }
    }
    return std::move(survey_);
  }

 private:
  [[nodiscard]] std::string path_of(std::uint64_t id) const {
    return io::join_path(options_.directory, segment_name(id));
  }

  Status read_header(std::uint64_t id) {
    const std::string path = path_of(id);
    TRY_ASSIGN(const std::unique_ptr<io::File> file,
               options_.files->open(path, io::OpenMode::kRead));
    TRY_ASSIGN(const OpenedHeader read, open_header(*file, id, path, options_.keys));  // INV-WAL-17
    files_.emplace_back();
    files_.back().id = id;
    if (!read.header) {  // Reported by the scan.
      return {};
    }
    const SegmentHeader& header = *read.header;
    if (header.id != id) {  // Renamed; as above.
      files_.back().first_seq = header.first_seq;
    } else if (header.store_uuid != options_.store_uuid &&
               options_.store_uuid != std::array<std::byte, 16>{}) {
      return fail(ErrorCode::kCorruption,
                  path + " belongs to another store: move it out of the directory");
    } else {
      survey_.headers.emplace(id, header);
      files_.back() = {.id = id,
                       .has_header = true,
                       .rewritten = header.rewritten,
                       .predecessor = header.predecessor,
                       .first_seq = header.first_seq};
    }
    if (options_.keys != nullptr) {
      chain_.push_back({.name_id = id, .header = header});
    }
    return {};
  }

  Status part_with_strangers() {
    for (const Stranger& stranger : find_strangers(chain_)) {
      const ChainFile& file = chain_[stranger.file];
      const std::string path = path_of(file.name_id);
      TRY_ASSIGN(const bool counts, is_used(options_, file.name_id, path));
      if (!counts) {
        survey_.unlinked.insert(file.name_id);
        continue;
      }
      const std::string witness = path_of(chain_[stranger.witness].name_id);
      if (!stranger.is_settled) {
        return fail(ErrorCode::kCorruption,
                    fmt::format("{} and {} are segments of this log, but of two histories of it: "
                                "one was cut off or copied, and was put back. Nothing was changed. "
                                "Move the one that does not belong out of the directory",
                                path, witness));
      }
      survey_.strangers.push_back({.id = file.name_id, .problem = strange_text(path, witness)});
      survey_.headers.erase(file.name_id);
      std::erase_if(files_, [&](const Surveyed& other) { return other.id == file.name_id; });
    }
    return {};
  }

  /// Where such a file ends is known when all headers are read.
  Status look_into_headerless() {
    if (options_.keys != nullptr) {
      return {};  // Without its header nobody reads an encrypted file.
    }
    for (Surveyed& headerless : files_) {
      if (headerless.has_header || headerless.first_seq != 0) {
        continue;
      }
      TRY_ASSIGN(const std::unique_ptr<io::File> file,
                 options_.files->open(path_of(headerless.id), io::OpenMode::kRead));
      const auto known = survey_.known_ends.find(headerless.id);
      TRY_ASSIGN(
          headerless.first_seq,
          any_seq_of(*file, known == survey_.known_ends.end() ? 0 : known->second.valid_bytes));
    }
    return {};
  }

  const LogOptions& options_;
  const std::span<const std::uint64_t> ids_;
  HeaderSurvey survey_;
  std::vector<Surveyed> files_;
  std::vector<ChainFile> chain_;  // With keys: who has a header, whatever its name.
};

}  // namespace

void HeaderSurvey::find_known_ends() {
  known_ends.clear();
  for (const auto& [id, header] : headers) {
    const Predecessor& end = header.predecessor;
    // Of a predecessor that could not be read the header states no end: nobody knew one.
    const bool is_unknown = header.envelope && end.salt == 0;
    if (end.id == 0 || is_unknown || header.rewritten || unlinked.contains(id)) {
      continue;
    }
    const auto [known, inserted] = known_ends.emplace(end.id, end);
    if (!inserted && end.valid_bytes < known->second.valid_bytes) {
      known->second = end;
    }
  }
}

void HeaderSurvey::forget(StrangeFile stranger) {
  headers.erase(stranger.id);
  strangers.push_back(std::move(stranger));
  find_known_ends();
}

std::string strange_text(const std::string& path, const std::string& witness) {
  return fmt::format(
      "{}: a segment of this log, but not of the history that {} belongs to: it was cut off or "
      "copied, and was put back. None of its records counts; find out who did that, then move it "
      "out of the directory",
      path, witness);
}

Result<HeaderSurvey> survey_headers(const LogOptions& options, std::span<const std::uint64_t> ids) {
  return Survey(options, ids).run();
}

}  // namespace pluresdb::wal
