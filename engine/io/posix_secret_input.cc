#include <cerrno>
#include <csignal>
#include <cstddef>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <termios.h>
#include <unistd.h>

#include "engine/base/bytes.h"
#include "engine/io/secret_input.h"
#include <pluresdb/error.h>

namespace pluresdb::io {
namespace {

std::unexpected<Error> system_error(const std::string& operation) {
  const int error_number = errno;
  return fail(error_number == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo, operation,
              error_number);
}

class InputDescriptor {
 public:
  explicit InputDescriptor(int number) : number_(number) {}
  ~InputDescriptor() {
    if (number_ >= 0) {
      (void)::close(number_);
    }
  }
  InputDescriptor(const InputDescriptor&) = delete;
  InputDescriptor& operator=(const InputDescriptor&) = delete;
  InputDescriptor(InputDescriptor&&) = delete;
  InputDescriptor& operator=(InputDescriptor&&) = delete;
  [[nodiscard]] int get() const { return number_; }

 private:
  int number_;
};

Result<std::size_t> read_some(int descriptor, base::MutableByteSpan out, const std::string& from) {
  ssize_t count = -1;
  do {
    count = ::read(descriptor, out.data(), out.size());
  } while (count < 0 && errno == EINTR);
  if (count < 0) {
    return system_error("read a secret from " + from);
  }
  return static_cast<std::size_t>(count);
}

Result<std::size_t> read_to_end(int descriptor, base::MutableByteSpan out,
                                const std::string& from) {
  std::size_t done = 0;
  while (done < out.size()) {
    TRY_ASSIGN(const std::size_t count, read_some(descriptor, out.subspan(done), from));
    if (count == 0) {
      break;
    }
    done += count;
  }
  return done;
}

/// While it exists, what is typed is not shown, and no signal ends the process in this state.
class HiddenTyping {
 public:
  explicit HiddenTyping(int terminal) : terminal_(terminal) {
    sigset_t held;
    (void)sigemptyset(&held);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP}) {
      (void)sigaddset(&held, signal);
    }
    (void)pthread_sigmask(SIG_BLOCK, &held, &signals_before_);
    hidden_ = ::tcgetattr(terminal, &before_) == 0;
    if (hidden_) {
      termios silent = before_;
      silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
      silent.c_lflag |= ECHONL | ICANON;
      hidden_ = ::tcsetattr(terminal, TCSAFLUSH, &silent) == 0;
    }
  }
  ~HiddenTyping() {
    if (hidden_) {
      (void)::tcsetattr(terminal_, TCSAFLUSH, &before_);
    }
    (void)pthread_sigmask(SIG_SETMASK, &signals_before_, nullptr);
  }
  HiddenTyping(const HiddenTyping&) = delete;
  HiddenTyping& operator=(const HiddenTyping&) = delete;
  HiddenTyping(HiddenTyping&&) = delete;
  HiddenTyping& operator=(HiddenTyping&&) = delete;
  [[nodiscard]] bool works() const { return hidden_; }

 private:
  const int terminal_;
  bool hidden_ = false;
  termios before_{};
  sigset_t signals_before_{};
};

}  // namespace

Result<std::size_t> read_secret_descriptor(int descriptor, base::MutableByteSpan out) {
  return read_to_end(descriptor, out, "descriptor " + std::to_string(descriptor));
}

Result<std::size_t> read_secret_file(const std::string& path, base::MutableByteSpan out) {
  const InputDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (file.get() < 0) {
    return system_error("open " + path);
  }
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) {
    return system_error("stat " + path);
  }
  if (!S_ISREG(status.st_mode)) {
    return fail(ErrorCode::kInvalidArgument, path + " is not a regular file");
  }
  if (status.st_uid != ::geteuid()) {
    return fail(ErrorCode::kInvalidArgument, path + " belongs to another user");
  }
  if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return fail(ErrorCode::kInvalidArgument, path + " is open to other users: chmod 600");
  }
  return read_to_end(file.get(), out, path);
}

Result<std::size_t> read_secret_terminal(const std::string& prompt, base::MutableByteSpan out) {
  const InputDescriptor terminal(::open("/dev/tty", O_RDWR | O_CLOEXEC));
  if (terminal.get() < 0) {
    return fail(ErrorCode::kInvalidArgument,
                "there is no terminal to ask for a secret; give it with --password-file or "
                "--password-fd",
                errno);
  }
  const HiddenTyping hidden(terminal.get());
  if (!hidden.works()) {
    return system_error("hide what is typed");
  }
  if (::write(terminal.get(), prompt.data(), prompt.size()) < 0) {
    return system_error("write to the terminal");
  }
  // A terminal gives one line at a time.
  TRY_ASSIGN(const std::size_t count, read_some(terminal.get(), out, "the terminal"));
  const bool ended = count > 0 && out[count - 1] == std::byte{'\n'};
  return ended ? count - 1 : count;
}

}  // namespace pluresdb::io
