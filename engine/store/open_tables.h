// The files that RocksDB reads, by path: it keeps tables open for as long as it likes, and one that
// was exchanged would keep its old bytes on the disk, and their key in memory, for as long.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "engine/base/mutex.h"
#include "engine/store/file_contents.h"

namespace pluresdb::store {

/// Thread: any.
class OpenTables {
 public:
  /// What reads through `reader` until that is exchanged.
  std::shared_ptr<const FileReader> hold(const std::string& path,
                                         std::shared_ptr<const FileReader> reader);
  /// Whoever holds `path` reads through `reader` from now on: the same contents.
  void exchange(const std::string& path, const std::shared_ptr<const FileReader>& reader);

 private:
  class Held;

  base::Mutex mutex_;
  std::multimap<std::string, std::weak_ptr<Held>> held_ GUARDED_BY(mutex_);  // By name.
};

}  // namespace pluresdb::store
