// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Programs run as their user runs them, with files of their own.

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>

namespace reprise_test {

/// A folder for one test case, removed at its end.
class Folder {
 public:
  Folder()
      : path_(std::filesystem::temp_directory_path() /
              ("reprise-test-" + std::to_string(getpid()))) {
    std::filesystem::create_directories(path_);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  [[nodiscard]] std::string file(const std::string& name) const { return (path_ / name).string(); }
  [[nodiscard]] std::string write(const std::string& name, const std::string& content) const {
    std::ofstream(file(name), std::ios::binary) << content;
    return file(name);
  }
  [[nodiscard]] std::string read(const std::string& name) const {
    std::ifstream in(file(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }

 private:
  std::filesystem::path path_;
};

/// How a program ended, and what it said.
struct Outcome {
  int status;
  std::string output;
  std::string error;
};

/// Runs a program with arguments as a shell reads them, in the folder.
inline Outcome run_program(const Folder& folder, const std::string& program,
                           const std::string& arguments) {
  const std::string command = "cd " + folder.file("") + " && " + program + " " + arguments + " >" +
                              folder.file("out") + " 2>" + folder.file("err") + " </dev/null";
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, folder.read("out"), folder.read("err")};
}

/// Checks that a program fails with one line, which starts with its name and says so much.
inline void check_refused(const Folder& folder, const std::string& program,
                          const std::string& arguments, const std::string& says) {
  CAPTURE(arguments);
  const Outcome outcome = run_program(folder, program, arguments);
  CAPTURE(outcome.error);
  CHECK(outcome.status == 1);
  CHECK(outcome.error.starts_with(std::filesystem::path(program).filename().string() + ": "));
  CHECK(outcome.error.find('\n') == outcome.error.size() - 1);
  CHECK(outcome.error.find(says) != std::string::npos);
}

}  // namespace reprise_test
