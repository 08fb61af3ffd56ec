// A fresh directory, removed at the end.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

#include <unistd.h>

namespace faultinj {

class TestDirectory {
 public:
  /// kMemory: in memory where possible, for tests that make thousands.
  enum class Where { kDisk, kMemory };
  explicit TestDirectory(Where where = Where::kDisk) {
    std::error_code code;
    const std::filesystem::path memory("/dev/shm");
    const bool in_memory = where == Where::kMemory && std::filesystem::is_directory(memory, code);
    std::string pattern =
        ((in_memory ? memory : std::filesystem::temp_directory_path()) / "faultinj-XXXXXX")
            .string();
    path_ = ::mkdtemp(pattern.data()) == nullptr ? std::string() : pattern;
  }
  ~TestDirectory() {
    std::error_code code;
    std::filesystem::remove_all(path_, code);
  }
  TestDirectory(const TestDirectory&) = delete;
  TestDirectory& operator=(const TestDirectory&) = delete;
  TestDirectory(TestDirectory&&) = delete;
  TestDirectory& operator=(TestDirectory&&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// Closes a journal.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() { (void)::close(number_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  Descriptor(Descriptor&&) = delete;
  Descriptor& operator=(Descriptor&&) = delete;
  [[nodiscard]] int get() const { return number_; }

 private:
  int number_;
};

}  // namespace faultinj
