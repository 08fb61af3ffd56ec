// pluresdb-keys as its user calls it. Keys where they will do: each password costs what it costs an
// attacker.
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <simdjson.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "engine/io/file_system.h"
#include "engine/tests/core_test_util.h"
#include "engine/tests/tools_test_support.h"
#include <pluresdb/document.h>
#include <pluresdb/engine.h>
#include <pluresdb/error.h>
#include <pluresdb/keyring.h>
#include <pluresdb/options.h>
#include <pluresdb/write_ahead_log.h>

namespace pluresdb {
namespace {

using testing::contents_of;
using testing::digest_of;
using testing::length;
using testing::TemporaryDirectory;
using testing::ToolRun;
using testing::word;

class KeysTest : public ::testing::Test {
 protected:
  [[nodiscard]] std::string path(const std::string& name) const { return scratch_.path(name); }
  [[nodiscard]] std::string store() const { return path("store"); }
  void put(const std::string& name, const std::string& text, mode_t mode = 0600) const {
    std::ofstream(path(name), std::ios::binary) << text;
    ASSERT_EQ(::chmod(path(name).c_str(), mode), 0);
  }
  /// `arguments`: shell words; @NAME is a file of the scratch directory.
  ToolRun run(std::string arguments) {
    for (auto at = arguments.find('@'); at != std::string::npos; at = arguments.find('@')) {
      arguments.replace(at, 1, scratch_.path(""));
    }
    const auto space = arguments.find(' ');
    const std::string command = arguments.substr(0, space);
    const std::string rest = space == std::string::npos ? "" : arguments.substr(space);
    return testing::run_tool("keys", fmt::format("{} --data-dir '{}'{}", command, store(), rest),
                             scratch_);
  }
  void expect(int status, const std::string& arguments) {
    const ToolRun result = run(arguments);
    EXPECT_EQ(result.status, status) << arguments << "\n" << result.out << result.error;
  }
  simdjson::dom::element json(const std::string& arguments) {
    const ToolRun result = run(arguments + " --json");
    EXPECT_EQ(result.status, 0) << result.error;
    simdjson::dom::element parsed;
    EXPECT_EQ(parser_.parse(result.out).get(parsed), simdjson::SUCCESS) << result.out;
    return parsed;
  }
  /// A store with one slot, a device key in the file KEY.
  void init() { expect(0, "init --new-key-file @key --label laptop"); }

  TemporaryDirectory scratch_;
  simdjson::dom::parser parser_;
};

// From the key to the store and what looks at it.
TEST_F(KeysTest, AStoreOfItsKeyIsWrittenReadAndExaminedWithIt) {
  init();
  put("other", std::string(64, 'a'));
  const auto key = StoreSecret::of_file(path("key"));
  ASSERT_TRUE(key.has_value()) << testing::text_of(key);
  auto options = testing::small_options();
  options.secret = &*key;
  {
    const auto engine = testing::open_engine(store(), options);
    ASSERT_TRUE(engine->put("agent", "doc", testing::json_of(1, 3000)).has_value());
    ASSERT_TRUE(engine->close().has_value());
  }
  for (const std::string tool : {"inspect", "validate"}) {
    const auto look = [&](const std::string& more) {
      return testing::run_tool(tool, fmt::format("--data-dir '{}' {}", store(), more), scratch_);
    };
    const std::string before = digest_of(store());
    const ToolRun good = look("--password-file " + path("key"));
    EXPECT_EQ(good.status, 0) << good.error;
    EXPECT_EQ(look("--password-fd 3 3<" + path("key")).status, 0);
    const ToolRun wrong = look("--password-file " + path("other"));
    EXPECT_EQ(wrong.status, 3);
    EXPECT_NE(wrong.error.find("no slot of the keyring opens with this secret"), std::string::npos)
        << wrong.error;
    const ToolRun none = look("</dev/null");  // Without a terminal.
    EXPECT_EQ(none.status, 3) << none.out;
    EXPECT_EQ(look(fmt::format("--password-file {0} --password-file {0}", path("key"))).status, 3);
    const ToolRun json = look("--json --password-file " + path("key"));
    EXPECT_NE(json.out.find(R"("cipher":"aes-256-gcm")"), std::string::npos) << json.out;
    EXPECT_EQ(digest_of(store()), before);
  }
}

// Whoever puts it back would otherwise go on with master keys that the store has left behind.
TEST_F(KeysTest, AKeyringOlderThanAFileOfItsStoreIsRefused) {
  init();
  const auto key = StoreSecret::of_file(path("key"));
  auto options = testing::small_options();
  options.secret = &*key;
  const auto write = [&] {
    const auto engine = testing::open_engine(store(), options);
    ASSERT_TRUE(engine->put("agent", "doc", "1").has_value());
    ASSERT_TRUE(engine->close().has_value());
  };
  write();
  const std::string old = contents_of(store() + "/keyring");
  expect(0, "rotate --password-file @key");
  write();
  for (const std::string copy : {"/keyring", "/keyring.bak"}) {
    std::ofstream(store() + copy, std::ios::binary) << old;
  }
  expect(3, "status --password-file @key");
  const ToolRun refused = run("rotate --password-file @key");
  EXPECT_EQ(refused.status, 3);
  EXPECT_NE(refused.error.find("is older than the store's files"), std::string::npos)
      << refused.error;
  EXPECT_EQ(contents_of(store() + "/keyring"), old);
}

TEST_F(KeysTest, InitRefusesALogThatIsPlain) {
  ASSERT_TRUE(WriteAheadLog::open(store(), testing::small_options()).has_value());
  {
    auto log = *WriteAheadLog::open(store(), testing::small_options());
    ASSERT_TRUE(log->append("agent", Put{.id = "a", .json = "1"}).has_value());
  }
  expect(1, "init --new-key-file @key");
  EXPECT_FALSE(std::filesystem::exists(path("key")));
}

TEST_F(KeysTest, InitMakesAKeyThatOpensAndStatusSaysSo) {
  init();
  struct stat status{};
  ASSERT_EQ(::stat(path("key").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
  const std::string digits = contents_of(path("key"));
  EXPECT_EQ(digits.size(), 65U);
  EXPECT_EQ(digits.find_first_not_of("0123456789abcdef\n"), std::string::npos);
  const std::string before = digest_of(store());

  const auto unproven = json("status");
  EXPECT_FALSE(unproven["proven"].get_bool().value_unsafe());
  EXPECT_TRUE(unproven.at_pointer("/slots/0/label").is_null());
  const auto proven = json("status --password-file @key");
  EXPECT_TRUE(proven["proven"].get_bool().value_unsafe());
  EXPECT_EQ(word(proven, "/slots/0/label"), "laptop");
  EXPECT_EQ(word(proven, "/slots/0/type"), "device-key");
  EXPECT_EQ(word(proven, "/slots/0/state"), "active");
  EXPECT_EQ(testing::number(proven, "/generation"), 1U);

  const ToolRun text = run("status --password-fd 5 5<@key");
  EXPECT_EQ(text.status, 0) << text.error;
  EXPECT_CONTAINS(text.out, "laptop");
  EXPECT_CONTAINS(text.out, "copies      whole, whole\n");
  EXPECT_EQ(text.out.find(digits.substr(0, 16)), std::string::npos);
  EXPECT_EQ(digest_of(store()), before) << "status has changed something";
}

TEST_F(KeysTest, PasswordComesFromDescriptorsAndFilesWithOneNewlineLess) {
  init();
  put("typed", "correct horse\n");
  put("same", "correct horse");
  expect(0, "add-device --password-fd 0 --new-password-fd 7 <@key 7<@typed");
  expect(0, "status --password-file @same");
}

TEST_F(KeysTest, PasswdLetsTheOldSecretOutAndTheNewOneIn) {
  init();
  put("new", std::string(64, 'b') + "\n");
  expect(0, "passwd --password-file @key --new-password-file @new");
  expect(3, "status --password-file @key");
  expect(0, "status --password-file @new");
  EXPECT_EQ(length(json("status"), "/slots"), 1U);
}

TEST_F(KeysTest, SecretsThatOthersCouldHaveSeenOrMadeAreRefused) {
  init();
  const std::string before = contents_of(store() + "/keyring");
  std::filesystem::copy_file(path("key"), path("shared"));
  ASSERT_EQ(::chmod(path("shared").c_str(), 0640), 0);
  std::filesystem::create_symlink(path("key"), path("link"));
  std::filesystem::create_directory(path("directory"));
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  put("empty", "");
  put("newline", "\n");
  put("long", std::string(1025, 'x'));
  for (const char* name :
       {"shared", "link", "directory", "pipe", "empty", "newline", "long", "missing"}) {
    expect(2, fmt::format("rotate --password-file @{}", name));
  }
  expect(2, "rotate --password-fd 9");
  put("longest", std::string(1024, 'x') + "\n");
  expect(3, "rotate --password-file @longest");  // No slot opens with it.
  expect(2, "add-device --password-file @key --type device-key --new-password-file @longest");
  EXPECT_EQ(contents_of(store() + "/keyring"), before);
}

TEST_F(KeysTest, DevicesComeAndGo) {
  init();
  expect(0, "add-device --password-file @key --new-key-file @phone --label phone");
  put("paper", std::string(64, 'A'));
  expect(0, "add-device --password-file @key --new-password-file @paper --type recovery-key");
  const auto three = json("status --password-file @phone");
  ASSERT_EQ(length(three, "/slots"), 3U);
  EXPECT_EQ(word(three, "/slots/1/label"), "phone");
  EXPECT_EQ(word(three, "/slots/2/type"), "recovery-key");
  const std::string phone = word(three, "/slots/1/id");

  expect(1, fmt::format("revoke --password-file @phone --slot {}", phone));
  expect(1, "revoke --password-file @key --slot 0123456789abcdef0123456789abcdef");
  expect(1, "revoke --password-file @key --slot ''");  // More than one begins with nothing.
  put("mistyped", "mistyped");
  expect(3, fmt::format("revoke --password-file @key --password-file @mistyped --slot {}", phone));
  expect(0, fmt::format("revoke --password-file @key --slot {}", phone.substr(0, 12)));
  expect(3, "status --password-file @phone");
  expect(3, "status --password-file @paper");  // Its secret was not there.
  const auto two = json("status --password-file @key");
  EXPECT_EQ(length(two, "/slots"), 2U);
  EXPECT_EQ(word(two, "/slots/1/state"), "stale");
  EXPECT_EQ(word(two, "/revoked/0/id"), phone);
  EXPECT_EQ(testing::number(two, "/generation"), 2U);

  const std::string paper = word(two, "/slots/1/id");
  expect(0, fmt::format("passwd --password-file @key --new-password-file @paper --slot {}", paper));
  expect(0, "rotate --password-file @paper --password-file @key");
  expect(0, "status --password-file @paper");
  expect(0, "status --password-file @key");
  EXPECT_EQ(length(json("status"), "/revoked"), 1U);
}

TEST_F(KeysTest, KeyFileIsNotLeftBehindByAChangeThatWasRefused) {
  init();
  put("wrong", "wrong");
  expect(3, "add-device --password-file @wrong --new-key-file @other");
  EXPECT_FALSE(std::filesystem::exists(path("other")));
  expect(1, fmt::format("add-device --password-file @key --new-key-file @other --label {}",
                        std::string(64, 'l')));
  EXPECT_FALSE(std::filesystem::exists(path("other")));
  expect(1, "add-device --password-file @key --new-key-file @key");  // Exists: not overwritten.
  expect(0, "status --password-file @key");
}

TEST_F(KeysTest, InitRefusesWhatIsThere) {
  init();
  expect(1, "init --new-key-file @second");
  EXPECT_FALSE(std::filesystem::exists(path("second")));
  std::filesystem::remove_all(store());
  std::filesystem::create_directories(store() + "/wal");
  expect(1, "init --new-key-file @second");
  EXPECT_FALSE(std::filesystem::exists(store() + "/keyring"));
}

TEST_F(KeysTest, ChangesNeedTheStoreClosedAndStatusDoesNot) {
  init();
  const auto lock = io::posix_file_system().lock(store() + "/LOCK");
  ASSERT_TRUE(lock.has_value());
  const ToolRun refused = run("rotate --password-file @key");
  EXPECT_EQ(refused.status, 3);
  EXPECT_CONTAINS(refused.error, fmt::format("locked by pid {}", getpid()));
  expect(0, "status --password-file @key");
}

TEST_F(KeysTest, DamagedCopyIsAProblemThatAChangeRepairs) {
  init();
  std::filesystem::remove(store() + "/keyring.bak");
  const ToolRun status = run("status");
  EXPECT_EQ(status.status, 1);
  EXPECT_CONTAINS(status.out, "copies      whole, missing");
  expect(0, "rotate --password-file @key");
  expect(0, "status");
  testing::flip_byte(store() + "/keyring", 70);
  expect(1, "status --password-file @key");
  testing::flip_byte(store() + "/keyring.bak", 70);
  expect(3, "status --password-file @key");
  std::filesystem::remove_all(store());
  expect(3, "status");
}

TEST_F(KeysTest, UsageIsToldApart) {
  init();
  EXPECT_EQ(testing::run_tool("keys", "", scratch_).status, 2);
  EXPECT_EQ(testing::run_tool("keys", "status", scratch_).status, 2);
  EXPECT_EQ(testing::run_tool("keys", "recrypt --data-dir x", scratch_).status, 2);
  for (const char* arguments :
       {"status secret", "status --password secret", "revoke --password-file @key",
        "rotate --password-fd x", "add-device --type odd --password-file @key",
        "add-device --password-file @key --new-key-file @a --new-password-file @key",
        "add-device --password-file @key --new-key-file @a --type password"}) {
    expect(2, arguments);
  }
  EXPECT_FALSE(std::filesystem::exists(path("a")));
  const ToolRun help = testing::run_tool("keys", "--help", scratch_);
  EXPECT_EQ(help.status, 0);
  EXPECT_CONTAINS(help.out, "add-device");
  EXPECT_EQ(testing::run_tool("keys", "revoke --help", scratch_).status, 0);
}

// What it is for: a revoked key, kept with the keyring from before, opens files until then.
TEST_F(KeysTest, ReencryptLeavesNothingUnderTheOldMasterKeys) {
  init();
  expect(0, "add-device --password-file @key --new-key-file @lost --label lost");
  const auto key = StoreSecret::of_file(path("key"));
  ASSERT_TRUE(key.has_value()) << testing::text_of(key);
  auto options = testing::small_options();
  options.secret = &*key;
  const std::string value = testing::json_of(1, 9000);
  {
    const auto engine = testing::open_engine(store(), options);
    for (int i = 0; i < 30; ++i) {
      ASSERT_TRUE(engine->put("agent", fmt::format("doc{}", i), value).has_value());
    }
    ASSERT_TRUE(engine->close().has_value());
  }
  std::filesystem::copy(store() + "/keyring", path("kept"));
  const auto slots = json("status --password-file @key");
  std::string lost;
  for (const auto slot : slots["slots"]) {
    lost = word(slot, "/label") == "lost" ? word(slot, "/id") : lost;
  }
  expect(0, "revoke --password-file @key --slot " + lost);

  const ToolRun done = run("reencrypt --password-file @key");
  EXPECT_EQ(done.status, 0) << done.error;
  EXPECT_CONTAINS(done.out, "now under generation 2; 1 older master key dropped");
  EXPECT_EQ(done.error, "") << "no progress where nobody looks";
  EXPECT_EQ(length(json("status"), "/old_generations"), 0U);
  const auto again = json("reencrypt --password-file @key");
  EXPECT_EQ(testing::number(again, "/files"), 0U);
  EXPECT_CONTAINS(run("reencrypt --password-file @key").out, "no file is under an older master");

  // With the keyring of before not even a store that opens: its files know better.
  std::filesystem::copy(store() + "/keyring", path("current"));
  std::filesystem::copy(path("kept"), store() + "/keyring",
                        std::filesystem::copy_options::overwrite_existing);
  expect(3, "reencrypt --password-file @lost");
  std::filesystem::copy(path("current"), store() + "/keyring",
                        std::filesystem::copy_options::overwrite_existing);
  const ToolRun whole = testing::run_tool(
      "validate",
      fmt::format("--data-dir '{}' --check-integrity --password-file '{}'", store(), path("key")),
      scratch_);
  EXPECT_EQ(whole.status, 0) << whole.out << whole.error;
  const auto engine = testing::open_engine(store(), options);
  const auto found = engine->get("doc29");
  ASSERT_TRUE(found.has_value() && found->has_value());
  EXPECT_EQ((*found)->json, value);
}

TEST_F(KeysTest, ReencryptSaysWhatItCouldNotDoAndWhy) {
  expect(3, "reencrypt --password-file @key");  // No keyring, and no secret is asked for.
  init();
  put("wrong", std::string(64, 'a'));
  expect(3, "reencrypt --password-file @key");  // No store yet.
  const auto key = StoreSecret::of_file(path("key"));
  ASSERT_TRUE(key.has_value()) << testing::text_of(key);
  auto options = testing::small_options();
  options.secret = &*key;
  {
    const auto engine = testing::open_engine(store(), options);
    ASSERT_TRUE(engine->put("agent", "doc", testing::json_of(1, 9000)).has_value());
    EXPECT_EQ(run("reencrypt --password-file @key").status, 3) << "it is open";
    ASSERT_TRUE(engine->close().has_value());
  }
  expect(3, "reencrypt --password-file @wrong");
  expect(2, "reencrypt --password-file @key --password-file @key");
  expect(0, "rotate --password-file @key");
  // Copied by somebody, as an opening would have copied a damaged one.
  std::filesystem::create_directories(store() + "/quarantine");
  std::filesystem::copy(store() + "/wal/0000000000000001.wal",
                        store() + "/quarantine/0000000000000001.wal-0");
  const ToolRun left = run("reencrypt --password-file @key");
  EXPECT_EQ(left.status, 1);
  EXPECT_CONTAINS(left.out, "no master key was dropped");
  EXPECT_CONTAINS(left.out, "quarantine/0000000000000001.wal-0: it is under an older master key");
  EXPECT_CONTAINS(left.error, "1 file is still under older master keys");
  EXPECT_EQ(length(json("status"), "/old_generations"), 1U);
}

/// The tool in a session of its own, whose terminal is the other end of `master_`.
class Terminal {
 public:
  Terminal() : master_(posix_openpt(O_RDWR | O_NOCTTY)) {
    EXPECT_GE(master_, 0);
    EXPECT_EQ(grantpt(master_), 0);
    EXPECT_EQ(unlockpt(master_), 0);
  }
  ~Terminal() { (void)close(master_); }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  Terminal(Terminal&&) = delete;
  Terminal& operator=(Terminal&&) = delete;

  void start(const std::string& command) {
    const std::string slave = ptsname(master_);
    child_ = fork();
    ASSERT_GE(child_, 0);
    if (child_ == 0) {
      (void)setsid();
      const int terminal = open(slave.c_str(), O_RDWR);  // Becomes the controlling terminal.
      for (const int descriptor : {0, 1, 2}) {
        (void)dup2(terminal, descriptor);
      }
      (void)execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
      _exit(99);
    }
  }
  /// Reads until `text` has come.
  void await(const std::string& text) {
    while (seen_.find(text, answered_) == std::string::npos) {
      char byte = 0;
      if (read(master_, &byte, 1) != 1) {
        FAIL() << "no \"" << text << "\" in:\n" << seen_;
      }
      seen_ += byte;
    }
    answered_ = seen_.size();
  }
  /// To be called when the prompt has come: by then the terminal hides what is typed.
  void type(const std::string& text) {
    termios state{};
    EXPECT_EQ(tcgetattr(master_, &state), 0);
    EXPECT_EQ(state.c_lflag & ECHO, 0U) << "it would show what is typed";
    EXPECT_EQ(write(master_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  int wait() {
    char byte = 0;
    while (read(master_, &byte, 1) == 1) {
      seen_ += byte;
    }
    int status = 0;
    EXPECT_EQ(waitpid(child_, &status, 0), child_);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  [[nodiscard]] const std::string& seen() const { return seen_; }

 private:
  int master_;
  pid_t child_ = -1;
  std::string seen_;
  std::size_t answered_ = 0;
};

TEST_F(KeysTest, TerminalDoesNotShowWhatIsTyped) {
  init();
  const std::string digits = contents_of(path("key")).substr(0, 64);
  const std::string added(64, 'e');
  Terminal terminal;
  terminal.start(fmt::format("{}/pluresdb-keys add-device --data-dir '{}' --type recovery-key",
                             PLURESDB_BIN, store()));
  terminal.await("secret of a slot: ");
  terminal.type(digits + "\n");
  terminal.await("new secret: ");
  terminal.type(added + "\n");
  terminal.await("new secret, again: ");
  terminal.type(added + "\n");
  EXPECT_EQ(terminal.wait(), 0) << terminal.seen();
  EXPECT_CONTAINS(terminal.seen(), "recovery-key");
  EXPECT_EQ(terminal.seen().find(digits), std::string::npos);
  EXPECT_EQ(terminal.seen().find(added), std::string::npos);
  put("added", added);
  expect(0, "status --password-file @added");
}

TEST_F(KeysTest, TypingTwoDifferentNewSecretsChangesNothing) {
  init();
  const std::string before = contents_of(store() + "/keyring");
  Terminal terminal;
  terminal.start(fmt::format(
      "{}/pluresdb-keys passwd --data-dir '{}' --password-file '{}'; echo \"status $?\"",
      PLURESDB_BIN, store(), path("key")));
  terminal.await("new secret: ");
  terminal.type(std::string(64, 'e') + "\n");
  terminal.await("again: ");
  terminal.type(std::string(64, 'f') + "\n");
  terminal.await("status 2");
  EXPECT_EQ(terminal.wait(), 0);
  EXPECT_EQ(contents_of(store() + "/keyring"), before);
  expect(0, "status --password-file @key");
}

// The interrupt waits when the command begins, as one that comes during the first file does.
TEST_F(KeysTest, CtrlCIsAPauseAndTheNextCallGoesOn) {
  init();
  const auto key = StoreSecret::of_file(path("key"));
  ASSERT_TRUE(key.has_value()) << testing::text_of(key);
  auto options = testing::small_options();
  options.secret = &*key;
  {
    const auto engine = testing::open_engine(store(), options);
    for (int i = 0; i < 40; ++i) {
      ASSERT_TRUE(
          engine->put("agent", fmt::format("doc{}", i), testing::json_of(1, 9000)).has_value());
    }
    ASSERT_TRUE(engine->close().has_value());
  }
  expect(0, "rotate --password-file @key");
  Terminal terminal;
  terminal.start(fmt::format(
      "exec env --block-signal=INT sh -c 'kill -INT $$; exec {}/pluresdb-keys reencrypt "
      "--data-dir \"{}\" --password-file \"{}\"'",
      PLURESDB_BIN, store(), path("key")));
  EXPECT_EQ(terminal.wait(), 1) << terminal.seen();
  EXPECT_CONTAINS(terminal.seen(), "re-encrypted ");
  EXPECT_CONTAINS(terminal.seen(), "paused after ");
  EXPECT_EQ(length(json("status"), "/old_generations"), 1U);
  const ToolRun done = run("reencrypt --password-file @key");
  EXPECT_EQ(done.status, 0) << done.error;
  EXPECT_CONTAINS(done.out, "1 older master key dropped");
}

TEST_F(KeysTest, WithoutTerminalTheOptionsAreAsked) {
  init();
  // A test may run with a terminal; in a session of its own it has none.
  const std::string command =
      fmt::format("setsid -w {}/pluresdb-keys rotate --data-dir '{}' </dev/null 2>'{}'",
                  PLURESDB_BIN, store(), path("errors"));
  const int status = std::system(command.c_str());  // NOLINT(cert-env33-c): our own program.
  EXPECT_EQ(WEXITSTATUS(status), 2);
  EXPECT_CONTAINS(contents_of(path("errors")), "no terminal");
}

}  // namespace
}  // namespace pluresdb
