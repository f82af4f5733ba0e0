// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Files that an example writes.

#include <sys/stat.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "file_descriptor.hpp"

namespace example {

/// What is wrong with a path, for an option that takes one; empty if nothing is.
[[nodiscard]] inline std::string path_fault(const std::string& path) {
  return path.empty() ? "an empty path" : "";
}

/// A path and the option that it was given with, for messages.
struct NamedPath {
  std::string option;
  std::string path;
};

/// Looks whether files can be written before there is anything to write: each is a regular file
/// that may be written, or none yet, in a folder where files can be made. No two of them are one
/// file, whatever their paths, nor is one of them an input, or where stdout or stderr goes.
/// @param inputs files that are read; those that are not there are no matter
/// @throws reprise::InvalidArgument that names the option and the path.
void check_output_files(std::span<const NamedPath> outputs, std::span<const NamedPath> inputs);

/// A file's new content, which takes the place of the old one as a whole or not at all.
///
/// It is written to a file without a name in the same folder, which vanishes with the process. File
/// systems that have none get one with a hidden name, which the next to write the same file removes
/// if the process was killed. It is on disk before it takes the old one's place, with its mode and
/// owner. A symbolic link stays and its target is replaced. A file with several names keeps them:
/// once the new content is safe and has room, it is copied into the old file, and only being killed
/// during this copy leaves half of it.
class OutputFile {
 public:
  /// What the content is written to.
  enum class Meanwhile : std::uint8_t {
    unnamed,  ///< where the file system has such files, otherwise as `hidden`
    hidden,
  };

  /// @throws reprise::Error if no file can be written there.
  explicit OutputFile(const std::string& path, Meanwhile meanwhile = Meanwhile::unnamed);
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  /// Without a commit nothing has happened.
  ~OutputFile();

  /// Appends to the content. @throws reprise::Error if it cannot be written.
  void write(std::string_view bytes);
  /// Puts it in place, once. @throws reprise::Error if it cannot; then the old content is there.
  void commit();

 private:
  void open_unnamed();
  void open_hidden();
  [[nodiscard]] mode_t first_mode() const;
  void take_over_mode();
  void put_in_place();
  void give_name();
  void copy_into_old();
  void check(bool succeeded) const;

  std::string path_;                ///< as the user wrote it
  std::filesystem::path target_;    ///< what it leads to
  std::optional<struct stat> old_;  ///< the file that is there
  std::filesystem::path hidden_;    ///< the new file's name meanwhile, if it has one
  FileDescriptor file_;
};

/// Replaces a file's content.
/// @throws reprise::Error if the file cannot be written; then the old content is there.
void write_output_file(const std::string& path, std::string_view content);

}  // namespace example
