// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// Files that the examples write: whole or not at all, whoever else writes them, and whatever is
// there already; and what they refuse before there is anything to write.

#include "output_file.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <reprise/core/error.hpp>
#include <string>
#include <utility>
#include <vector>

#include "support/program_run.hpp"

namespace {

namespace fs = std::filesystem;
using example::NamedPath;
using example::OutputFile;
using example::write_output_file;
using reprise_test::Folder;

std::vector<std::string> names_in(const Folder& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder.file(""))) {
    names.push_back(entry.path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

using Names = std::vector<std::string>;

struct stat status_of(const std::string& path) {
  struct stat status {};
  REQUIRE(lstat(path.c_str(), &status) == 0);
  return status;
}

mode_t mode_of(const std::string& path) { return status_of(path).st_mode & 07777U; }

// Another process, which does this; returns how it ended.
int in_process(const std::function<void()>& body) {
  const pid_t process = fork();
  if (process == 0) {
    try {
      body();
    } catch (const reprise::Error&) {
      _exit(EXIT_FAILURE);
    }
    _exit(EXIT_SUCCESS);
  }
  int status = 0;
  REQUIRE(waitpid(process, &status, 0) == process);
  return status;
}

void check_refused(const std::string& path, const std::string& why) {
  CAPTURE(path);
  const std::vector<NamedPath> outputs{{"--save", path}};
  try {
    example::check_output_files(outputs, {});
    FAIL_CHECK("accepted");
  } catch (const reprise::InvalidArgument& error) {
    CAPTURE(error.what());
    CHECK(std::string(error.what()).find(why) != std::string::npos);
  }
  CHECK_THROWS_AS(write_output_file(path, "new"), reprise::InvalidArgument);
}

void check_pair(const NamedPath& one, const NamedPath& other, bool are_one) {
  CAPTURE(one.path);
  CAPTURE(other.path);
  const std::vector<NamedPath> both{one, other};
  const std::vector<NamedPath> first{one};
  const std::vector<NamedPath> second{other};
  const bool is_there = fs::exists(one.path);
  if (are_one) {
    CHECK_THROWS_AS(example::check_output_files(both, {}), reprise::InvalidArgument);
  } else {
    CHECK_NOTHROW(example::check_output_files(both, {}));
  }
  // A file that is not there yet is not read either.
  if (are_one && is_there) {
    CHECK_THROWS_AS(example::check_output_files(first, second), reprise::InvalidArgument);
    CHECK_THROWS_AS(example::check_output_files(second, first), reprise::InvalidArgument);
  } else {
    CHECK_NOTHROW(example::check_output_files(first, second));
  }
}

const std::string big(std::size_t{1} << 20U, 'b');

}  // namespace

TEST_CASE("a new file has the mode that new files have, and nothing lies beside it") {
  const Folder folder;
  const mode_t before = umask(027);
  for (const auto meanwhile : {OutputFile::Meanwhile::unnamed, OutputFile::Meanwhile::hidden}) {
    OutputFile file(folder.file("x"), meanwhile);
    file.write("con");
    file.write("tent");
    CHECK_FALSE(fs::exists(folder.file("x")));
    file.commit();
    CHECK(folder.read("x") == "content");
    CHECK(mode_of(folder.file("x")) == 0640);
    CHECK(names_in(folder) == Names{"x"});
    fs::remove(folder.file("x"));
  }
  umask(before);
}

TEST_CASE("an old file keeps its mode and owner, and its content until the new one is there") {
  const Folder folder;
  const std::string path = folder.write("x", "old");
  for (const auto meanwhile : {OutputFile::Meanwhile::unnamed, OutputFile::Meanwhile::hidden}) {
    for (const mode_t mode : {0600U, 0644U, 0666U, 0751U}) {
      REQUIRE(chmod(path.c_str(), mode) == 0);
      const struct stat before = status_of(path);
      { OutputFile(path, meanwhile).write("lost"); }
      CHECK(folder.read("x") != "lost");
      CHECK(names_in(folder) == Names{"x"});
      OutputFile file(path, meanwhile);
      file.write(std::to_string(mode));
      file.commit();
      CHECK(folder.read("x") == std::to_string(mode));
      CHECK(mode_of(path) == mode);
      CHECK(status_of(path).st_uid == before.st_uid);
      CHECK(status_of(path).st_gid == before.st_gid);
      CHECK(names_in(folder) == Names{"x"});
    }
  }
}

TEST_CASE("an old file of somebody else's stays theirs where that can be") {
  if (geteuid() != 0) return;
  const Folder folder;
  const std::string path = folder.write("x", "old");
  REQUIRE(chown(path.c_str(), 12345, 54321) == 0);
  write_output_file(path, "new");
  CHECK(status_of(path).st_uid == 12345);
  CHECK(status_of(path).st_gid == 54321);
}

TEST_CASE("a symbolic link stays, and what it leads to is replaced or made") {
  const Folder folder;
  fs::create_directory(folder.file("there"));
  static_cast<void>(folder.write("there/x", "old"));
  fs::create_symlink("there/x", folder.file("link"));
  fs::create_symlink("link", folder.file("chain"));
  fs::create_symlink("there/none", folder.file("dangling"));
  fs::create_symlink("there", folder.file("folder"));
  for (const std::string name : {"link", "chain", "folder/x"}) {
    write_output_file(folder.file(name), name);
    CHECK(folder.read("there/x") == name);
  }
  write_output_file(folder.file("dangling"), "made");
  CHECK(folder.read("there/none") == "made");
  for (const std::string name : {"link", "chain", "dangling", "folder"}) {
    CHECK(fs::is_symlink(folder.file(name)));
  }
  CHECK(names_in(folder) == Names{"chain", "dangling", "folder", "link", "there"});
}

TEST_CASE("a file with two names keeps them") {
  const Folder folder;
  const std::string path = folder.write("x", "old content");
  fs::create_hard_link(path, folder.file("y"));
  REQUIRE(chmod(path.c_str(), 0604) == 0);
  const ino_t inode = status_of(path).st_ino;
  for (const std::string& content : {std::string("short"), big, std::string()}) {
    write_output_file(path, content);
    CHECK(folder.read("x") == content);
    CHECK(folder.read("y") == content);
    CHECK(status_of(path).st_nlink == 2);
    CHECK(status_of(path).st_ino == inode);
    CHECK(mode_of(path) == 0604);
  }
  CHECK(names_in(folder) == Names{"x", "y"});
}

TEST_CASE("what is no regular file, or can not be written, is refused and left alone") {
  const Folder folder;
  REQUIRE(mkfifo(folder.file("pipe").c_str(), 0600) == 0);
  fs::create_symlink("loop", folder.file("loop"));
  fs::create_symlink("/dev/null", folder.file("null"));
  const std::string file = folder.write("x", "old");
  check_refused("", "empty path");
  check_refused(folder.file(""), "it is a folder");
  check_refused(folder.file("."), "it is a folder");
  check_refused(folder.file("pipe"), "it is no regular file");
  check_refused("/dev/null", "it is no regular file");
  check_refused("/dev/full", "it is no regular file");
  check_refused(folder.file("null"), "it is no regular file");
  check_refused(folder.file("loop"), "cannot write");
  check_refused(folder.file("no/x"), "there is no folder");
  check_refused(folder.file("no/"), "there is no folder");
  check_refused(folder.file("x/"), "there is no folder");
  check_refused(folder.file("x/y"), "there is no folder");
  check_refused(folder.file(std::string(300, 'a')), "cannot write");
  CHECK(folder.read("x") == "old");
  CHECK(names_in(folder) == Names{"loop", "null", "pipe", "x"});
}

TEST_CASE("who may not write a file or its folder is told before") {
  if (geteuid() != 0) return;  // only root can become somebody else
  const Folder folder;
  const std::string file = folder.write("x", "old");
  fs::create_directory(folder.file("closed"));
  fs::create_directory(folder.file("open"));
  REQUIRE(chmod(folder.file("").c_str(), 0755) == 0);
  REQUIRE(chmod(folder.file("open").c_str(), 0777) == 0);
  static_cast<void>(folder.write("open/x", "old"));
  REQUIRE(seteuid(65534) == 0);
  check_refused(folder.file("closed/x"), "its folder");
  check_refused(folder.file("open/x"), "denied");
  write_output_file(folder.file("open/y"), "new");
  REQUIRE(seteuid(0) == 0);
  CHECK(folder.read("open/x") == "old");
  CHECK(status_of(folder.file("open/y")).st_uid == 65534);
}

TEST_CASE("one file under two paths is refused") {
  const Folder folder;
  fs::create_directory(folder.file("a"));
  fs::create_directory_symlink("a", folder.file("b"));
  static_cast<void>(folder.write("a/x", "old"));
  fs::create_hard_link(folder.file("a/x"), folder.file("a/hard"));
  fs::create_symlink("a/x", folder.file("soft"));
  fs::create_symlink("a/new", folder.file("dangling"));
  const auto check = [&](const std::string& one, const std::string& other, bool are_one) {
    check_pair({"--save", folder.file(one)}, {"--json", folder.file(other)}, are_one);
  };
  for (const std::string x : {"a/x", "./a/x", "a/../a/x", "a//x", "b/x", "soft", "a/hard"}) {
    check("a/x", x, true);
    check(x, "b/new", false);
  }
  for (const std::string x : {"a/new", "./a/new", "a/../a/new", "b/new", "dangling"}) {
    check("a/new", x, true);
  }
  check("a/x", "a/y", false);
  check("a/new", "new", false);
}

TEST_CASE("where stdout goes is no output file") {
  const Folder folder;
  const std::string path = folder.write("x", "old");
  const int status = in_process([&] {
    const int file = open(path.c_str(), O_WRONLY);
    dup2(file, STDOUT_FILENO);
    const std::vector<NamedPath> outputs{{"--json", path}};
    example::check_output_files(outputs, {});
  });
  CHECK(WEXITSTATUS(status) == EXIT_FAILURE);
}

TEST_CASE("who is killed leaves the old file and nothing that stays") {
  const Folder folder;
  const std::string path = folder.write("x", "old");
  const auto die_writing = [&](OutputFile::Meanwhile meanwhile) {
    const int status = in_process([&] {
      OutputFile file(path, meanwhile);
      file.write(big);
      raise(SIGKILL);
    });
    REQUIRE(WIFSIGNALED(status));
  };
  die_writing(OutputFile::Meanwhile::unnamed);
  CHECK(names_in(folder) == Names{"x"});
  CHECK(folder.read("x") == "old");
  // Where files need names, the next who writes clears up, but leaves alone who still writes.
  static_cast<void>(folder.write("y", "other"));
  die_writing(OutputFile::Meanwhile::hidden);
  die_writing(OutputFile::Meanwhile::hidden);
  write_output_file(folder.file("y"), "other");
  CHECK(folder.read("x") == "old");
  OutputFile slow(path, OutputFile::Meanwhile::hidden);
  CHECK(names_in(folder).size() == 3);
  slow.write("slow");
  write_output_file(path, "quick");
  CHECK(folder.read("x") == "quick");
  slow.commit();
  CHECK(folder.read("x") == "slow");
  CHECK(names_in(folder) == Names{"x", "y"});
}

TEST_CASE("several processes that save to one path leave one whole file") {
  constexpr int processes = 4;
  constexpr int rounds = 20;
  for (const bool has_two_names : {false, true}) {
    CAPTURE(has_two_names);
    const Folder folder;
    const std::string path = folder.file("x");
    if (has_two_names) {
      static_cast<void>(folder.write("x", big));
      fs::create_hard_link(path, folder.file("y"));
    }
    std::vector<pid_t> children;
    for (int i = 0; i < processes; ++i) {
      const pid_t child = fork();
      if (child == 0) {
        try {
          for (int round = 0; round < rounds; ++round) {
            const auto size = static_cast<std::size_t>(100'000 + 1000 * i);
            OutputFile file(
                path, i % 2 == 0 ? OutputFile::Meanwhile::unnamed : OutputFile::Meanwhile::hidden);
            file.write(std::string(size, static_cast<char>('a' + i)));
            file.commit();
          }
        } catch (const reprise::Error&) {
          _exit(EXIT_FAILURE);
        }
        _exit(EXIT_SUCCESS);
      }
      children.push_back(child);
    }
    for (const pid_t child : children) {
      int status = 0;
      waitpid(child, &status, 0);
      CHECK(WIFEXITED(status));
      CHECK(WEXITSTATUS(status) == EXIT_SUCCESS);
    }
    const std::string content = folder.read("x");
    REQUIRE_FALSE(content.empty());
    CHECK(content.size() == static_cast<std::size_t>(100'000 + 1000 * (content[0] - 'a')));
    CHECK(content.find_first_not_of(content[0]) == std::string::npos);
    CHECK(names_in(folder) == (has_two_names ? Names{"x", "y"} : Names{"x"}));
  }
}

TEST_CASE("where there is no room the old file stays") {
  const Folder folder;
  const std::string path = folder.write("x", "old");
  const std::string twin = folder.write("twin", "old");
  fs::create_hard_link(twin, folder.file("second"));
  for (const std::string& full : {path, twin}) {
    for (const auto meanwhile : {OutputFile::Meanwhile::unnamed, OutputFile::Meanwhile::hidden}) {
      const int status = in_process([&] {
        std::signal(SIGXFSZ, SIG_IGN);
        const rlimit limit{.rlim_cur = 4096, .rlim_max = 4096};
        setrlimit(RLIMIT_FSIZE, &limit);
        OutputFile file(full, meanwhile);
        file.write(big);
        file.commit();
      });
      CHECK(WIFEXITED(status));
      CHECK(WEXITSTATUS(status) == EXIT_FAILURE);
    }
  }
  for (const std::string name : {"x", "twin", "second"}) CHECK(folder.read(name) == "old");
  CHECK(names_in(folder) == Names{"second", "twin", "x"});
}
