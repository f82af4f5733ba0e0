// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The text of a log, compressed or not.

#include <string>

namespace replay {

/// The whole text of a file; one whose name ends in .xz or .gz is unpacked.
/// @throws reprise::InvalidArgument if the file cannot be read
/// @throws MalformedProgram, with the line where it ended, if an archive is truncated or damaged.
[[nodiscard]] std::string read_log_text(const std::string& path);

}  // namespace replay
