#include "harness/worker/document_book.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <ratio>

#include "harness/common/document_id.h"
#include "harness/common/operation.h"
#include "harness/common/payload.h"
#include "harness/common/worker_config.h"

namespace soak::worker {
namespace {

constexpr std::array kAppended = {OperationKind::kCommand, OperationKind::kStdout,
                                  OperationKind::kStderr};
constexpr std::array kOverwritten = {OperationKind::kContext, OperationKind::kMemory};
constexpr std::uint64_t kRecentDocuments = 64;

std::size_t index_of(OperationKind kind) { return static_cast<std::size_t>(kind); }

}  // namespace

DocumentBook::DocumentBook(const AgentConfig& config, TimePoint now)
    : retention_(std::chrono::duration_cast<std::chrono::nanoseconds>(
          std::chrono::duration<double>(config.retention_seconds))),
      start_(now) {
  for (std::size_t i = 0; i < kOperationKindCount; ++i) {
    in_mix_[i] = config.mix[i] > 0;
    appended_[i] = {.first = config.first_number[i],
                    .next = config.next_number[i],
                    .old_first = config.first_number[i],
                    .old_next = config.next_number[i],
                    .written = {}};
  }
}

std::uint64_t DocumentBook::number_to_write(OperationKind stream, std::uint64_t random) const {
  return is_appended_stream(stream) ? appended_[index_of(stream)].next
                                    : random % overwritten_documents(stream);
}

void DocumentBook::written(OperationKind stream, std::uint64_t number, TimePoint now) {
  AppendedStream& book = appended_[index_of(stream)];
  if (is_appended_stream(stream) && number == book.next) {
    ++book.next;
    book.written.push_back(now);
  }
}

void DocumentBook::erased(OperationKind stream, std::uint64_t number) {
  AppendedStream& book = appended_[index_of(stream)];
  if (!is_appended_stream(stream) || number != book.first) {
    return;
  }
  if (book.first >= book.old_next) {
    book.written.pop_front();
  }
  ++book.first;
}

TimePoint DocumentBook::expiry(const AppendedStream& stream) const {
  if (stream.first >= stream.old_next) {
    return stream.written.front() + retention_;
  }
  const auto old_count = static_cast<double>(stream.old_next - stream.old_first);
  const auto position = static_cast<double>(stream.first - stream.old_first + 1);
  return start_ + std::chrono::duration_cast<std::chrono::nanoseconds>(
                      std::chrono::duration<double, std::nano>(
                          static_cast<double>(retention_.count()) * position / old_count));
}

std::optional<DocumentBook::Choice> DocumentBook::expired(TimePoint now) const {
  if (retention_.count() == 0) {
    return std::nullopt;
  }
  for (const OperationKind stream : kAppended) {
    const AppendedStream& book = appended_[index_of(stream)];
    if (book.first < book.next && expiry(book) <= now) {
      return Choice{.stream = stream, .number = book.first};
    }
  }
  return std::nullopt;
}

DocumentBook::Choice DocumentBook::to_erase(std::uint64_t random) const {
  std::array<Choice, kAppended.size() + kOverwritten.size()> choices;
  std::size_t count = 0;
  for (const OperationKind stream : kAppended) {
    const AppendedStream& book = appended_[index_of(stream)];
    if (book.first < book.next) {
      choices[count++] = {.stream = stream, .number = book.first};
    }
  }
  for (const OperationKind stream : kOverwritten) {
    if (in_mix_[index_of(stream)]) {
      choices[count++] = {.stream = stream,
                          .number = mix64(random) % overwritten_documents(stream)};
    }
  }
  // Nothing written yet: deleting an absent document is a write too.
  return count == 0 ? Choice{} : choices[random % count];
}

DocumentBook::Choice DocumentBook::to_read(std::uint64_t random) const {
  std::array<OperationKind, kAppended.size() + kOverwritten.size()> streams{};
  std::size_t count = 0;
  for (const OperationKind stream : kAppended) {
    if (appended_[index_of(stream)].next > 0) {
      streams[count++] = stream;
    }
  }
  for (const OperationKind stream : kOverwritten) {
    if (in_mix_[index_of(stream)]) {
      streams[count++] = stream;
    }
  }
  if (count == 0) {
    return {};
  }
  const OperationKind stream = streams[random % count];
  const std::uint64_t where = mix64(random);
  if (!is_appended_stream(stream)) {
    return {.stream = stream, .number = where % overwritten_documents(stream)};
  }
  const AppendedStream& book = appended_[index_of(stream)];
  const std::uint64_t live = book.next - book.first;
  const std::uint64_t percent = mix64(where) % 100;
  if (live == 0 || (percent < 5 && book.first > 0)) {
    return {.stream = stream, .number = where % std::max<std::uint64_t>(book.first, 1)};
  }
  const std::uint64_t reach = percent < 50 ? std::min(live, kRecentDocuments) : live;
  return {.stream = stream, .number = book.next - 1 - where % reach};
}

}  // namespace soak::worker
