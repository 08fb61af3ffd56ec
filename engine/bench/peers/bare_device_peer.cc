// The device itself: what one durable write costs when nothing else is done.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/bench/peers/peer.h"
#include "engine/io/file_system.h"
#include <pluresdb/error.h>

namespace pluresdb::bench {
namespace {

constexpr std::uint64_t kFileBytes = 64ULL << 20;  // One segment of this engine.

class BareDevicePeer final : public Peer {
 public:
  explicit BareDevicePeer(std::unique_ptr<io::File> file) : file_(std::move(file)) {}

  /// Front to back, again and again: all blocks are allocated and were written before.
  Status put(unsigned /*writer*/, const KeyValue& pair) override {
    if (offset_ + pair.value.size() > kFileBytes) {
      offset_ = 0;
    }
    TRY(file_->write(offset_, base::as_bytes(pair.value)));
    TRY(file_->sync_data());
    last_key_ = pair.key;
    last_offset_ = offset_;
    offset_ += pair.value.size();
    return {};
  }
  Status put_many(std::span<const KeyValue> pairs) override {
    for (const KeyValue& pair : pairs) {
      TRY(put(0, pair));
    }
    return {};
  }
  Status sync() override { return {}; }

  /// Only the last write: earlier ones are overwritten in time.
  Result<std::uint64_t> verify(std::span<const KeyValue> samples) override {
    std::uint64_t compared = 0;
    for (const KeyValue& sample : samples) {
      if (sample.key != last_key_) {
        continue;
      }
      std::vector<std::byte> bytes(sample.value.size());
      TRY_ASSIGN(const std::size_t count, file_->read(last_offset_, bytes));
      if (base::as_text(base::ByteSpan(bytes).first(count)) != sample.value) {
        return fail(ErrorCode::kCorruption, last_key_ + " is not what was written");
      }
      ++compared;
    }
    return compared;
  }
  Status close() override { return file_->close(); }

 private:
  std::unique_ptr<io::File> file_;
  std::uint64_t offset_ = 0;
  std::uint64_t last_offset_ = 0;
  std::string last_key_;
};

}  // namespace

Result<std::unique_ptr<Peer>> open_bare_device(const PeerSettings& settings) {
  TRY_ASSIGN(auto file,
             io::posix_file_system().open(settings.directory + "/bare", io::OpenMode::kCreateNew));
  const std::vector<std::byte> zeros(kFileBytes);
  TRY(file->write(0, zeros));
  TRY(file->sync_all());
  return std::make_unique<BareDevicePeer>(std::move(file));
}

}  // namespace pluresdb::bench
