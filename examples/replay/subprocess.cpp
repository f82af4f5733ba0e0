// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include "subprocess.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <reprise/core/error.hpp>
#include <system_error>
#include <thread>

namespace replay {
namespace {

/// Where a program reads and writes.
class Redirections {
 public:
  explicit Redirections(const std::string& output) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions_, STDOUT_FILENO, output.c_str(),
                                     O_WRONLY | O_CREAT | O_TRUNC, S_IRUSR | S_IWUSR);
    posix_spawn_file_actions_adddup2(&actions_, STDOUT_FILENO, STDERR_FILENO);
  }
  Redirections(const Redirections&) = delete;
  Redirections& operator=(const Redirections&) = delete;
  ~Redirections() { posix_spawn_file_actions_destroy(&actions_); }

  [[nodiscard]] const posix_spawn_file_actions_t* get() const noexcept { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

pid_t start(const std::vector<std::string>& command, const std::string& output) {
  std::vector<std::string> copies = command;
  std::vector<char*> arguments;
  for (std::string& argument : copies) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  const Redirections redirections(output);
  pid_t process = 0;
  const int error = posix_spawn(&process, arguments.front(), redirections.get(), nullptr,
                                arguments.data(), environ);
  if (error != 0) {
    throw reprise::Error("cannot run " + command.front() + ": " +
                         std::system_category().message(error));
  }
  return process;
}

void await(pid_t process, double seconds) {
  using clock = std::chrono::steady_clock;
  constexpr std::chrono::milliseconds pause(2);
  const clock::time_point end = clock::now() + std::chrono::duration_cast<clock::duration>(
                                                   std::chrono::duration<double>(seconds));
  int status = 0;
  while (waitpid(process, &status, WNOHANG) == 0) {
    if (clock::now() >= end) {
      kill(process, SIGKILL);
      waitpid(process, &status, 0);
      return;
    }
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "replay-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) {
    throw reprise::Error("cannot make a folder " + name);
  }
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::string run_program(const std::vector<std::string>& command, const std::string& output,
                        double seconds) {
  await(start(command, output), seconds);
  return read_file(output);
}

}  // namespace replay
