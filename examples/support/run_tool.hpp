// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// How an example's main function begins and ends.

#include <unistd.h>

#include <cerrno>
#include <concepts>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <new>
#include <reprise/core/error.hpp>
#include <system_error>

#include "failure.hpp"

namespace example {

/// Sends off what was printed.
/// @throws reprise::Error if not all of it, or of what was printed before, has arrived.
inline void flush_stdout() {
  std::cout.flush();
  const bool arrived = std::fflush(stdout) == 0;
  const std::string why = arrived ? "" : ": " + std::generic_category().message(errno);
  if (!arrived || std::ferror(stdout) != 0 || !std::cout) {
    throw reprise::Error("cannot write to stdout" + why);
  }
  // Some file systems only know when a file is closed.
  const int copy = dup(STDOUT_FILENO);
  if (copy >= 0 && close(copy) != 0) throw reprise::Error("cannot write to stdout");
}

/// Runs a command line tool and returns its exit status: that all was well and all that it printed
/// has arrived, or one line on stderr. A limit on the size of files is an error like a full disk,
/// not the end.
template <std::invocable F>
[[nodiscard]] int run_tool(const char* name, F&& body) {
  std::signal(SIGXFSZ, SIG_IGN);
  try {
    body();
    flush_stdout();
    return EXIT_SUCCESS;
  } catch (const std::bad_alloc&) {
    return fail(name, "there is not enough memory");
  } catch (const std::exception& error) {
    return fail(name, error.what());
  }
}

}  // namespace example
