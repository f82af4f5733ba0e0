// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// How an example says that it failed.

#include <cstdio>
#include <cstdlib>
#include <string>

namespace example {

/// Prints one line on stderr, whatever is inside the message, and returns the exit status.
inline int fail(const char* program, std::string message) {
  for (char& c : message) c = c == '\n' || c == '\r' ? ' ' : c;
  std::fprintf(stderr, "%s: %s\n", program, message.c_str());
  return EXIT_FAILURE;
}

}  // namespace example
