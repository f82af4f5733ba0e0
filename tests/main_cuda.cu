// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#define DOCTEST_CONFIG_IMPLEMENT
#include <cuda_runtime_api.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "support/skip.hpp"

namespace {

// Listing cases needs no device. doctest takes each option with and without the prefix "dt-".
bool only_lists(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    std::string_view option(argv[i]);
    option.remove_prefix(std::min(option.find_first_not_of('-'), option.size()));
    if (option.starts_with("dt-")) option.remove_prefix(3);
    for (const std::string_view query : {"list-", "ltc", "lts", "lr", "count", "help", "version"}) {
      if (option.starts_with(query)) return true;
    }
    for (const std::string_view query : {"c", "h", "?", "v"}) {
      if (option == query) return true;
    }
  }
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  doctest::Context context(argc, argv);
  int devices = 0;
  const cudaError_t error = cudaGetDeviceCount(&devices);
  if (!only_lists(argc, argv) && (error != cudaSuccess || devices == 0)) {
    const char* const required = std::getenv("REPRISE_REQUIRE_GPU");
    const bool must_run = required != nullptr && std::string_view(required) == "1";
    std::printf("%s: no CUDA device (%s)\n", must_run ? "FAILED" : "skipped",
                cudaGetErrorString(error));
    return must_run ? EXIT_FAILURE : reprise_test::skip_status;
  }
  const int status = context.run();
  return status == 0 && reprise_test::any_skipped() ? reprise_test::skip_status : status;
}
