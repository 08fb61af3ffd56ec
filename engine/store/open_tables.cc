#include "engine/store/open_tables.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "engine/base/bytes.h"
#include "engine/base/mutex.h"
#include "engine/io/file_system.h"
#include "engine/store/file_contents.h"
#include <pluresdb/error.h>

namespace pluresdb::store {

class OpenTables::Held final : public FileReader {
 public:
  explicit Held(std::shared_ptr<const FileReader> reader) : reader_(std::move(reader)) {}

  Result<std::size_t> read(std::uint64_t offset, base::MutableByteSpan out) const override {
    return current()->read(offset, out);
  }
  void exchange(std::shared_ptr<const FileReader> reader) {
    const base::MutexLock lock(mutex_);
    reader_.swap(reader);
  }

 private:
  std::shared_ptr<const FileReader> current() const {
    const base::MutexLock lock(mutex_);
    return reader_;
  }

  mutable base::Mutex mutex_;
  std::shared_ptr<const FileReader> reader_ GUARDED_BY(mutex_);
};

std::shared_ptr<const FileReader> OpenTables::hold(const std::string& path,
                                                   std::shared_ptr<const FileReader> reader) {
  const auto held = std::make_shared<Held>(std::move(reader));
  const base::MutexLock lock(mutex_);
  std::erase_if(held_, [](const auto& entry) { return entry.second.expired(); });
  held_.emplace(io::base_name(path), held);
  return held;
}

void OpenTables::exchange(const std::string& path,
                          const std::shared_ptr<const FileReader>& reader) {
  const base::MutexLock lock(mutex_);
  const auto [begin, end] = held_.equal_range(io::base_name(path));
  for (auto at = begin; at != end; ++at) {
    if (const auto held = at->second.lock()) {
      held->exchange(reader);
    }
  }
}

}  // namespace pluresdb::store
