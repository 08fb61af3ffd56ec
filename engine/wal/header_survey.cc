#include "engine/wal/header_survey.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/io/file_system.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_format.h"
#include "engine/wal/segment_reader.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>

namespace pluresdb::wal {
Result<HeaderSurvey> survey_headers(const LogOptions& options, std::span<const std::uint64_t> ids) {
  HeaderSurvey survey;
  Seq newest_first_seq = 0;  // Of appended segments so far.
  std::vector<std::byte> bytes(kSegmentHeaderBytes);
  for (const std::uint64_t id : ids) {
    const std::string path = io::join_path(options.directory, segment_name(id));
    TRY_ASSIGN(const std::unique_ptr<io::File> file,
               options.files->open(path, io::OpenMode::kRead));
    TRY_ASSIGN(const std::size_t count, file->read(0, bytes));
    const SegmentHeaderRead read = decode_segment_header(base::ByteSpan(bytes).first(count));
    if (!read.header) {  // Reported by the scan.
      TRY_ASSIGN(const std::uint64_t size_bytes, file->size());
      TRY_ASSIGN(const auto found, read_file_trailer(*file, size_bytes));
      const Seq last_seq = found ? found->trailer.last_seq : 0;
      if (last_seq != 0 && last_seq < newest_first_seq) {
        survey.headerless_rewritten.insert(id);
      } else {
        survey.newest_appended_id = id;
      }
      continue;
    }
    survey.newest_appended_id = read.header->rewritten ? survey.newest_appended_id : id;
    if (read.header->id != id) {
      continue;  // As above.
    }
    if (read.header->store_uuid != options.store_uuid &&
        options.store_uuid != std::array<std::byte, 16>{}) {
      return fail(ErrorCode::kCorruption,
                  path + " belongs to another store: move it out of the directory");
    }
    survey.readable.insert(id);
    newest_first_seq = read.header->rewritten ? newest_first_seq
                                              : std::max(newest_first_seq, read.header->first_seq);
    const Predecessor& end = read.header->predecessor;
    if (end.id != 0) {
      const auto [known, inserted] = survey.known_ends.emplace(end.id, end);
      if (!inserted && end.valid_bytes < known->second.valid_bytes) {
        known->second = end;
      }
    }
  }
  return survey;
}

}  // namespace pluresdb::wal
