// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// labels: reference
// optimise: always
// traces: shared
#include <doctest/doctest.h>

#include <filesystem>
#include <map>
#include <reprise/program/layout.hpp>
#include <string>
#include <vector>

#include "support/lifetimes_program.hpp"
#include "support/skip.hpp"
#include "support/traces.hpp"

namespace {

std::filesystem::path file_of(const std::string& name) {
  return reprise_test::traces() / ".." / "faults" / ("minimalloc_" + name + ".1048576.csv");
}

std::vector<reprise_test::Lifetime> blocks_of(const std::string& name) {
  std::vector<reprise_test::Lifetime> blocks;
  for (auto& row : reprise_test::read_table(file_of(name))) {
    blocks.push_back({.begin = std::stoull(row.at("lower")),
                      .end = std::stoull(row.at("upper")),
                      .bytes = std::stoull(row.at("size"))});
  }
  return blocks;
}

}  // namespace

// They are known to fit 1,048,576 bytes, and best fit needs a fifth more.
TEST_CASE("the hard programs of minimalloc come close to what they are known to fit") {
  if (!std::filesystem::exists(file_of("A"))) {
    return reprise_test::skip("no ../shared/faults with minimalloc's programs");
  }
  for (const std::string name : {"A", "C", "E", "G", "I", "K"}) {
    CAPTURE(name);
    const auto laid = reprise_test::checked_layout(blocks_of(name), {.tries = 300});
    const double ratio = static_cast<double>(laid.high_water) / 1'048'576;
    MESSAGE(name, ": ", ratio);
    CHECK(ratio <= 1.1);
  }
}
