// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Other programs, run with files of their own.

#include <filesystem>
#include <string>
#include <vector>

namespace replay {

/// A folder that is gone at the end.
class TemporaryFolder {
 public:
  /// @throws reprise::Error if none can be made.
  TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder();

  [[nodiscard]] std::string file(const char* name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

/// What a file holds; nothing if there is none.
[[nodiscard]] std::string read_file(const std::string& path);

/// Runs a program to its end, or ends it when that takes longer, and returns what it printed.
/// @param command its path and its arguments
/// @param output  a file that takes meanwhile what it prints
/// @throws reprise::Error if it cannot be started.
[[nodiscard]] std::string run_program(const std::vector<std::string>& command,
                                      const std::string& output, double seconds);

}  // namespace replay
