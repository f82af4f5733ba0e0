// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The bytes to train on.

#include <cstdint>
#include <string>
#include <vector>

namespace gpt {

/// The files to read: those that are named, and of a folder all regular ones below it in the order
/// of their names, without hidden ones. Without any path, this project's own sources.
/// @throws reprise::InvalidArgument if a path does not exist, or the sources are not where they
/// were
///   when this was built.
[[nodiscard]] std::vector<std::string> text_files(const std::vector<std::string>& paths);

/// All bytes of these files.
/// @throws reprise::InvalidArgument if a path does not exist, cannot be read, or there is no text.
[[nodiscard]] std::vector<std::uint8_t> read_text(const std::vector<std::string>& paths);

/// The `text` of each line's JSON object.
/// @throws reprise::InvalidArgument, with the line's number, if a line is not such an object.
[[nodiscard]] std::vector<std::uint8_t> read_c4(const std::string& path);

}  // namespace gpt
