#include "engine/tests/core_memory_disk.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <unistd.h>

#include "engine/base/bytes.h"
#include "engine/base/check.h"
#include "engine/base/mutex.h"
#include "engine/io/file_system.h"
#include <pluresdb/error.h>

namespace pluresdb::testing {

namespace {
constexpr std::size_t kPageBytes = 4096;
}

struct MemoryDisk::Node {
  using Children = std::map<std::string, std::shared_ptr<Node>, std::less<>>;
  /// One atomic change of a directory: names that appear or (null) vanish.
  using Change = std::vector<std::pair<std::string, std::shared_ptr<Node>>>;

  bool directory = false;
  bool locked = false;
  std::uint64_t sharers = 0;
  std::vector<std::byte> live;
  std::vector<std::byte> durable;
  std::set<std::size_t> dirty_pages;  ///< Written since the last sync, good or failed.
  Children children;
  Children durable_children;
  std::vector<Change> changes;  ///< Since the last sync of the directory.

  void touch(std::size_t begin, std::size_t end) {
    for (std::size_t page = begin / kPageBytes; page * kPageBytes < end; ++page) {
      dirty_pages.insert(page);
    }
  }
  void sync() {
    durable.resize(live.size());
    for (const std::size_t page : dirty_pages) {
      const std::size_t begin = page * kPageBytes;
      const std::size_t end = std::min(begin + kPageBytes, live.size());
      if (begin < end) {
        std::memcpy(durable.data() + begin, live.data() + begin, end - begin);
      }
    }
    dirty_pages.clear();
  }

  void change(const Change& change) {
    apply(children, change);
    changes.push_back(change);
  }
  static void apply(Children& target, const Change& change) {
    for (const auto& [name, node] : change) {
      if (node) {
        target[name] = node;
      } else {
        target.erase(name);
      }
    }
  }
};

namespace {

constexpr std::size_t kSectorBytes = 512;

using Node = MemoryDisk::Node;

/// What of one file's unsynced bytes reached the disk.
void lose_file(Node& node, std::mt19937_64* random) {
  if (random != nullptr && node.live != node.durable) {
    std::vector<std::byte> result((*random)() % 2 == 0 ? node.live.size() : node.durable.size());
    for (std::size_t offset = 0; offset < result.size(); offset += kSectorBytes) {
      const auto& chosen = (*random)() % 2 == 0 ? node.live : node.durable;
      const std::size_t end = std::min({offset + kSectorBytes, result.size(), chosen.size()});
      if (offset < end) {
        std::memcpy(result.data() + offset, chosen.data() + offset, end - offset);
      }
    }
    node.durable = std::move(result);
  }
  node.live = node.durable;
  node.dirty_pages.clear();
}

void lose(Node& node, std::mt19937_64* random) {
  node.locked = false;
  node.sharers = 0;
  if (!node.directory) {
    lose_file(node, random);
    return;
  }
  // Changes of names reach the disk in order, up to some point, or each for itself.
  const bool in_order = random != nullptr && (*random)() % 2 == 0;
  const std::size_t kept = random == nullptr ? 0 : (*random)() % (node.changes.size() + 1);
  for (std::size_t i = 0; i < node.changes.size(); ++i) {
    if (in_order ? i < kept : random != nullptr && (*random)() % 2 == 0) {
      Node::apply(node.durable_children, node.changes[i]);
    }
  }
  node.changes.clear();
  node.children = node.durable_children;
  for (const auto& [name, child] : node.children) {
    lose(*child, random);
  }
}

/// Copies keep it one: a node that is in two maps of the original is one node in the copy.
std::shared_ptr<Node> copy(const std::shared_ptr<Node>& node,
                           std::map<const Node*, std::shared_ptr<Node>>& copies) {
  if (!node) {
    return nullptr;
  }
  auto& result = copies[node.get()];
  if (result) {
    return result;
  }
  result = std::make_shared<Node>();
  const std::shared_ptr<Node> made = result;
  made->directory = node->directory;
  made->live = node->live;
  made->durable = node->durable;
  made->dirty_pages = node->dirty_pages;
  for (const auto& [name, child] : node->children) {
    made->children[name] = copy(child, copies);
  }
  for (const auto& [name, child] : node->durable_children) {
    made->durable_children[name] = copy(child, copies);
  }
  for (const auto& change : node->changes) {
    auto& target = made->changes.emplace_back();
    for (const auto& [name, child] : change) {
      target.emplace_back(name, copy(child, copies));
    }
  }
  return made;
}

std::uint64_t bytes_below(const Node& node) {
  std::uint64_t bytes = node.live.size();
  for (const auto& [name, child] : node.children) {
    bytes += bytes_below(*child);
  }
  return bytes;
}

void unlock_all(Node& node) {
  node.locked = false;
  node.sharers = 0;
  for (const auto& [name, child] : node.children) {
    unlock_all(*child);
  }
}

std::unexpected<Error> missing(const std::string& path) {
  return fail(ErrorCode::kNotFound, path, ENOENT);
}

}  // namespace

class MemoryFile final : public io::File {
 public:
  MemoryFile(MemoryDisk& disk, MemoryDisk::NodePointer node, std::string path)
      : disk_(disk), node_(std::move(node)), path_(std::move(path)) {}

  Result<std::size_t> read(std::uint64_t offset, base::MutableByteSpan out) override {
    const base::MutexLock lock(disk_.mutex_);
    if (offset >= node_->live.size()) {
      return std::size_t{0};
    }
    const std::size_t count = std::min<std::size_t>(out.size(), node_->live.size() - offset);
    std::memcpy(out.data(), node_->live.data() + offset, count);
    return count;
  }
  Status write(std::uint64_t offset, base::ByteSpan data) override {
    const base::MutexLock lock(disk_.mutex_);
    TRY(disk_.begin("write", path_));
    if (offset + data.size() > node_->live.size()) {
      TRY(disk_.resize(*node_, offset + data.size(), path_));
    }
    if (!data.empty()) {
      node_->touch(offset, offset + data.size());
      std::memcpy(node_->live.data() + offset, data.data(), data.size());
    }
    return {};
  }
  Status sync_data() override { return sync(); }
  Status sync_all() override { return sync(); }
  Status truncate(std::uint64_t size_bytes) override {
    const base::MutexLock lock(disk_.mutex_);
    TRY(disk_.begin("truncate", path_));
    return disk_.resize(*node_, size_bytes, path_);
  }
  Status allocate(std::uint64_t size_bytes) override {
    const base::MutexLock lock(disk_.mutex_);
    TRY(disk_.begin("allocate", path_));
    return size_bytes > node_->live.size() ? disk_.resize(*node_, size_bytes, path_) : Status{};
  }
  Result<std::uint64_t> size() override {
    const base::MutexLock lock(disk_.mutex_);
    return node_->live.size();
  }
  Status close() override { return {}; }

 private:
  Status sync() {
    const base::MutexLock lock(disk_.mutex_);
    const Status begun = disk_.begin("sync", path_);
    if (begun && disk_.lie_ && disk_.lie_(disk_.operations_ - 1, path_)) {
      return {};
    }
    if (begun) {
      node_->sync();
    } else if (disk_.operations_ <= disk_.stop_at_) {
      node_->dirty_pages.clear();  // A failed sync leaves the pages clean: a second one would lie.
    }
    return begun;
  }

  MemoryDisk& disk_;
  MemoryDisk::NodePointer node_;
  std::string path_;
};

class MemoryLock final : public io::FileLock {
 public:
  MemoryLock(MemoryDisk& disk, MemoryDisk::NodePointer node)
      : disk_(disk), node_(std::move(node)) {}
  ~MemoryLock() override {
    const base::MutexLock lock(disk_.mutex_);
    node_->locked = false;
  }
  MemoryLock(const MemoryLock&) = delete;
  MemoryLock& operator=(const MemoryLock&) = delete;
  MemoryLock(MemoryLock&&) = delete;
  MemoryLock& operator=(MemoryLock&&) = delete;

 private:
  MemoryDisk& disk_;
  MemoryDisk::NodePointer node_;
};

class SharedMemoryLock final : public io::FileLock {
 public:
  SharedMemoryLock(MemoryDisk& disk, MemoryDisk::NodePointer node)
      : disk_(disk), node_(std::move(node)) {}
  ~SharedMemoryLock() override {
    const base::MutexLock lock(disk_.mutex_);
    node_->sharers -= node_->sharers > 0 ? 1U : 0U;  // A power loss has ended it already.
  }
  SharedMemoryLock(const SharedMemoryLock&) = delete;
  SharedMemoryLock& operator=(const SharedMemoryLock&) = delete;
  SharedMemoryLock(SharedMemoryLock&&) = delete;
  SharedMemoryLock& operator=(SharedMemoryLock&&) = delete;

 private:
  MemoryDisk& disk_;
  MemoryDisk::NodePointer node_;
};

MemoryDisk::MemoryDisk() : root_(std::make_shared<Node>()) {
  const base::MutexLock lock(mutex_);
  root_->directory = true;
}
MemoryDisk::~MemoryDisk() = default;

void MemoryDisk::stop_after(std::uint64_t count) {
  const base::MutexLock lock(mutex_);
  operations_ = 0;
  stop_at_ = count;
}

std::uint64_t MemoryDisk::operations() const {
  const base::MutexLock lock(mutex_);
  return operations_;
}

bool MemoryDisk::stopped() const {
  const base::MutexLock lock(mutex_);
  return operations_ > stop_at_;
}

void MemoryDisk::lose_power(std::optional<std::uint64_t> seed) {
  const base::MutexLock lock(mutex_);
  stop_at_ = kNever;
  std::mt19937_64 random(seed.value_or(0));
  lose(*root_, seed ? &random : nullptr);
}

void MemoryDisk::restart() {
  const base::MutexLock lock(mutex_);
  stop_at_ = kNever;
  unlock_all(*root_);
}

std::unique_ptr<MemoryDisk> MemoryDisk::clone() const {
  const base::MutexLock lock(mutex_);
  auto result = std::make_unique<MemoryDisk>();
  std::map<const Node*, NodePointer> copies;
  const base::MutexLock result_lock(result->mutex_);
  result->root_ = copy(root_, copies);
  return result;
}

void MemoryDisk::set_capacity(std::uint64_t bytes) {
  const base::MutexLock lock(mutex_);
  capacity_ = bytes;
}

std::uint64_t MemoryDisk::used() const {
  const base::MutexLock lock(mutex_);
  return used_locked();
}

std::uint64_t MemoryDisk::used_locked() const { return bytes_below(*root_); }

void MemoryDisk::set_fault(Fault fault) {
  const base::MutexLock lock(mutex_);
  fault_ = std::move(fault);
}

void MemoryDisk::set_lie(Lie lie) {
  const base::MutexLock lock(mutex_);
  lie_ = std::move(lie);
}

void MemoryDisk::flip_byte(const std::string& path, std::uint64_t offset) {
  const base::MutexLock lock(mutex_);
  const auto node = find(path);
  DB_CHECK(node != nullptr);
  DB_CHECK(offset < node->live.size());
  node->live[offset] ^= std::byte{0x5a};
  node->durable = node->live;
}

void MemoryDisk::destroy(const std::string& path) {
  const base::MutexLock lock(mutex_);
  const auto parent = find(io::parent_path(path));
  DB_CHECK(parent != nullptr);
  parent->change({{io::base_name(path), nullptr}});
  parent->durable_children.erase(io::base_name(path));
  parent->changes.clear();
  parent->durable_children = parent->children;
}

Status MemoryDisk::begin(std::string_view operation, const std::string& path) {
  if (operations_++ >= stop_at_) {
    return fail(ErrorCode::kIo, "the machine stopped: " + path, EIO);
  }
  if (fault_) {
    if (auto error = fault_(operation, path)) {
      return std::unexpected(*std::move(error));
    }
  }
  return {};
}

MemoryDisk::NodePointer MemoryDisk::find(const std::string& path) const {
  NodePointer node = root_;
  std::string_view rest = path;
  while (!rest.empty()) {
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    const std::string_view name = rest.substr(0, slash);
    rest.remove_prefix(std::min(slash + 1, rest.size()));
    if (name.empty()) {
      continue;
    }
    const auto found = node->children.find(name);
    if (found == node->children.end()) {
      return nullptr;
    }
    node = found->second;
  }
  return node;
}

Result<MemoryDisk::NodePointer> MemoryDisk::parent_of(const std::string& path) const {
  auto parent = find(io::parent_path(path));
  if (!parent || !parent->directory) {
    return missing(io::parent_path(path));
  }
  return parent;
}

Status MemoryDisk::resize(Node& node, std::uint64_t bytes, const std::string& path) {
  if (capacity_ != kNever && bytes > node.live.size() &&
      used_locked() + (bytes - node.live.size()) > capacity_) {
    return fail(ErrorCode::kNoSpace, path, ENOSPC);
  }
  node.touch(std::min<std::size_t>(bytes, node.live.size()),
             std::max<std::size_t>(bytes, node.live.size()));
  node.live.resize(bytes);
  return {};
}

Result<std::unique_ptr<io::File>> MemoryDisk::open(const std::string& path, io::OpenMode mode) {
  const base::MutexLock lock(mutex_);
  auto node = find(path);
  const bool creates = mode == io::OpenMode::kCreateNew || mode == io::OpenMode::kCreateOrEmpty;
  if (!creates) {
    if (!node) {
      return missing(path);
    }
    return std::make_unique<MemoryFile>(*this, std::move(node), path);
  }
  TRY(begin("create", path));
  if (node && mode == io::OpenMode::kCreateNew) {
    return fail(ErrorCode::kIo, path, EEXIST);
  }
  if (node) {
    node->touch(0, node->live.size());
    node->live.clear();
  } else {
    TRY_ASSIGN(const auto parent, parent_of(path));
    node = std::make_shared<Node>();
    parent->change({{io::base_name(path), node}});
  }
  return std::make_unique<MemoryFile>(*this, std::move(node), path);
}

Status MemoryDisk::create_directory(const std::string& path) {
  const base::MutexLock lock(mutex_);
  if (find(path)) {
    return {};
  }
  TRY(begin("create_directory", path));
  TRY_ASSIGN(const auto parent, parent_of(path));
  const auto node = std::make_shared<Node>();
  node->directory = true;
  parent->change({{io::base_name(path), node}});
  return {};
}

Result<std::vector<std::string>> MemoryDisk::list(const std::string& path) {
  const base::MutexLock lock(mutex_);
  const auto node = find(path);
  if (!node) {
    return missing(path);
  }
  std::vector<std::string> names;
  for (const auto& [name, child] : node->children) {
    names.push_back(name);
  }
  return names;
}

Status MemoryDisk::rename(const std::string& from, const std::string& to) {
  const base::MutexLock lock(mutex_);
  TRY(begin("rename", from));
  const auto node = find(from);
  if (!node) {
    return missing(from);
  }
  DB_CHECK(io::parent_path(from) == io::parent_path(to));
  TRY_ASSIGN(const auto parent, parent_of(from));
  parent->change({{io::base_name(from), nullptr}, {io::base_name(to), node}});
  return {};
}

Status MemoryDisk::remove(const std::string& path) {
  const base::MutexLock lock(mutex_);
  TRY(begin("remove", path));
  const auto node = find(path);
  if (!node) {
    return missing(path);
  }
  if (!node->children.empty()) {
    return fail(ErrorCode::kIo, path, ENOTEMPTY);
  }
  TRY_ASSIGN(const auto parent, parent_of(path));
  parent->change({{io::base_name(path), nullptr}});
  return {};
}

Status MemoryDisk::sync_directory(const std::string& path) {
  const base::MutexLock lock(mutex_);
  TRY(begin("sync_directory", path));
  const auto node = find(path);
  if (!node) {
    return missing(path);
  }
  if (lie_ && lie_(operations_ - 1, path)) {
    return {};
  }
  node->durable_children = node->children;
  node->changes.clear();
  return {};
}

Result<io::FileInfo> MemoryDisk::info(const std::string& path) {
  const base::MutexLock lock(mutex_);
  const auto node = find(path);
  if (!node) {
    return missing(path);
  }
  return io::FileInfo{.kind = node->directory ? io::FileKind::kDirectory : io::FileKind::kRegular,
                      .size_bytes = node->live.size(),
                      .allocated_bytes = node->live.size()};
}

Result<io::SpaceInfo> MemoryDisk::space(const std::string& /*path*/) {
  const base::MutexLock lock(mutex_);
  if (capacity_ == kNever) {
    return io::SpaceInfo{.total_bytes = 1ULL << 40, .available_bytes = 1ULL << 39};
  }
  const std::uint64_t used = used_locked();
  return io::SpaceInfo{.total_bytes = capacity_,
                       .available_bytes = capacity_ > used ? capacity_ - used : 0};
}

Result<std::unique_ptr<io::FileLock>> MemoryDisk::lock(const std::string& path) {
  const base::MutexLock guard(mutex_);
  auto node = find(path);
  if (!node) {
    TRY(begin("create", path));
    TRY_ASSIGN(const auto parent, parent_of(path));
    node = std::make_shared<Node>();
    parent->change({{io::base_name(path), node}});
  }
  if (node->locked || node->sharers > 0) {
    return fail(ErrorCode::kLocked, path + ": locked by pid " + std::to_string(getpid()));
  }
  node->locked = true;
  return std::make_unique<MemoryLock>(*this, node);
}

Result<std::unique_ptr<io::FileLock>> MemoryDisk::lock_shared(const std::string& path) {
  const base::MutexLock guard(mutex_);
  const auto node = find(path);
  if (!node) {
    return missing(path);
  }
  if (node->locked) {
    return fail(ErrorCode::kLocked, path + ": locked by pid " + std::to_string(getpid()));
  }
  ++node->sharers;
  return std::make_unique<SharedMemoryLock>(*this, node);
}

}  // namespace pluresdb::testing
