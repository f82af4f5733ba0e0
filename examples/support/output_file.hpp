// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Files that an example writes.

#include <filesystem>
#include <fstream>
#include <reprise/core/error.hpp>
#include <string>

namespace example {

/// Looks whether a file can be written before there is anything to write; no name is nothing asked.
/// @throws reprise::InvalidArgument if its folder is not there, or it is a folder itself.
inline void check_output_file(const std::string& file) {
  if (file.empty()) return;
  const std::filesystem::path folder = std::filesystem::absolute(file).parent_path();
  if (!std::filesystem::is_directory(folder)) {
    throw reprise::InvalidArgument("cannot write " + file + ": there is no folder " +
                                   folder.string());
  }
  if (std::filesystem::is_directory(file)) {
    throw reprise::InvalidArgument("cannot write " + file + ": it is a folder");
  }
}

/// Replaces a file's content.
/// @throws reprise::Error if the file cannot be written.
inline void write_output_file(const std::string& path, const std::string& content) {
  std::ofstream file(path, std::ios::binary);
  file << content;
  file.close();
  if (!file) throw reprise::Error("cannot write " + path);
}

}  // namespace example
