#include "engine/crypto/chunk_sealer.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "engine/base/bytes.h"
#include "engine/base/check.h"
#include "engine/base/mutex.h"
#include "engine/crypto/aes_gcm.h"
#include "engine/crypto/secret_bytes.h"
#include "engine/io/process_owner.h"
#include <pluresdb/error.h>

namespace pluresdb::crypto {
namespace {

/// Four zero bytes, then the position, most significant byte first.
Nonce nonce_of(std::uint64_t position) {
  constexpr unsigned kBitsPerByte = 8;
  Nonce nonce{};
  for (std::size_t i = 0; i < sizeof(position); ++i) {
    nonce[kNonceBytes - 1 - i] = static_cast<std::byte>(position >> (kBitsPerByte * i));
  }
  return nonce;
}

}  // namespace

ChunkSealer::ChunkSealer(GcmContext context)
    : context_(std::move(context)),
      owner_(std::make_unique<const io::ProcessOwner>("a file that is being written")) {}

Result<ChunkSealer> ChunkSealer::create(const SecretBytes& file_key) {
  TRY_ASSIGN(GcmContext context, GcmContext::for_sealing(file_key.bytes()));
  return ChunkSealer(std::move(context));
}

Status ChunkSealer::seal(std::uint64_t position, base::ByteSpan associated, base::ByteSpan plain,
                         base::MutableByteSpan sealed) {
  TRY(owner_->check());
  DB_CHECK(position >= next_position_);  // INV-KEY-1
  DB_CHECK(position < std::numeric_limits<std::uint64_t>::max());
  DB_CHECK(plain.size() <= kChunkBytesMax);
  DB_CHECK(plain.size() <= kFileBytesMax - sealed_bytes_);
  // Before the attempt: a nonce that may have been used is used.
  next_position_ = position + 1;
  sealed_bytes_ += plain.size();
  return context_.seal(nonce_of(position), associated, plain, sealed);
}

/// Contexts that nobody works with; they hold the key, each in a copy.
class ChunkOpener::Contexts {
 public:
  explicit Contexts(GcmContext model) : model_(std::move(model)) {}

  Result<GcmContext> take() {
    const base::MutexLock lock(mutex_);
    if (idle_.empty()) {
      ++made_;
      idle_.reserve(made_);  // So that give_back does not allocate.
      return model_.copy();
    }
    GcmContext context = std::move(idle_.back());
    idle_.pop_back();
    return context;
  }
  void give_back(GcmContext context) {
    const base::MutexLock lock(mutex_);
    idle_.push_back(std::move(context));
  }

 private:
  base::Mutex mutex_;
  const GcmContext model_;
  std::size_t made_ GUARDED_BY(mutex_) = 0;
  std::vector<GcmContext> idle_ GUARDED_BY(mutex_);
};

ChunkOpener::ChunkOpener(std::unique_ptr<Contexts> contexts) : contexts_(std::move(contexts)) {}
ChunkOpener::~ChunkOpener() = default;
ChunkOpener::ChunkOpener(ChunkOpener&&) noexcept = default;
ChunkOpener& ChunkOpener::operator=(ChunkOpener&&) noexcept = default;

Result<ChunkOpener> ChunkOpener::create(const SecretBytes& file_key) {
  TRY_ASSIGN(GcmContext context, GcmContext::for_opening(file_key.bytes()));
  return ChunkOpener(std::make_unique<Contexts>(std::move(context)));
}

Status ChunkOpener::open(std::uint64_t position, base::ByteSpan associated, base::ByteSpan sealed,
                         base::MutableByteSpan plain) const {
  if (sealed.size() < kSealBytes || sealed.size() > kChunkBytesMax + kSealBytes) {
    return fail(ErrorCode::kCorruption,
                fmt::format("a sealed chunk of {} bytes at {}", sealed.size(), position));
  }
  TRY_ASSIGN(GcmContext context, contexts_->take());
  Status outcome = context.open(nonce_of(position), associated, sealed, plain);
  contexts_->give_back(std::move(context));
  if (!outcome) {
    outcome.error().context += fmt::format(" for the chunk at {}", position);
  }
  return outcome;
}

}  // namespace pluresdb::crypto
