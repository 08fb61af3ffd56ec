// A fresh directory for one test, removed with everything in it at the end.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

#include "engine/base/check.h"

namespace pluresdb::io {

class TestDirectory {
 public:
  TestDirectory() : path_((std::filesystem::temp_directory_path() / "pluresdb-XXXXXX").string()) {
    DB_CHECK(::mkdtemp(path_.data()) != nullptr);
  }
  ~TestDirectory() {
    std::error_code ignored;  // A left-over directory in /tmp harms nobody.
    std::filesystem::remove_all(path_, ignored);
  }
  TestDirectory(const TestDirectory&) = delete;
  TestDirectory& operator=(const TestDirectory&) = delete;
  TestDirectory(TestDirectory&&) = delete;
  TestDirectory& operator=(TestDirectory&&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace pluresdb::io
