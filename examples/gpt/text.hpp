// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The bytes to train on.

#include <cstdint>
#include <string>
#include <vector>

namespace gpt {

/// All bytes of the files; of a folder, all regular files below it in the order of their names,
/// without hidden ones.
/// @throws reprise::InvalidArgument if a path does not exist, cannot be read, or there is no text.
[[nodiscard]] std::vector<std::uint8_t> read_text(const std::vector<std::string>& paths);

/// The `text` of each line's JSON object.
/// @throws reprise::InvalidArgument, with the line's number, if a line is not such an object.
[[nodiscard]] std::vector<std::uint8_t> read_c4(const std::string& path);

/// This project's own sources.
/// @throws reprise::InvalidArgument if they are not where they were when this was built.
[[nodiscard]] std::vector<std::uint8_t> read_own_sources();

}  // namespace gpt
