// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// Trains a residual net with plain calls, with checkpoints, and with operations under a budget, and
// fails if the three differ in one bit or the last two save no memory.

#include <iomanip>
#include <iostream>
#include <reprise/core/hash.hpp>
#include <span>

#include "tape/net.hpp"

namespace {

tape::Result train(const char* name, const tape::Training& training) {
  tape::Result result = tape::Net(training).train();
  std::cout << std::left << std::setw(12) << name << std::right << std::setw(12)
            << result.peak_bytes << std::setw(16) << result.computations << "    "
            << result.losses.front() << " to " << result.losses.back() << '\n';
  return result;
}

bool same_bits(const tape::Result& a, const tape::Result& b) {
  const auto hash = [](std::uint64_t seed, const std::vector<float>& floats) {
    return reprise::hash_bytes(std::as_bytes(std::span(floats)), seed);
  };
  const auto all = [&](const tape::Result& result) {
    std::uint64_t sum = hash(0, result.losses);
    for (const std::vector<float>& gradients : result.gradients) sum = hash(sum, gradients);
    return sum;
  };
  return all(a) == all(b);
}

}  // namespace

int main() {
  std::cout << "              peak bytes    computations    loss\n";
  const tape::Result plain = train("plain", {});
  const tape::Result checkpoints = train("checkpoints", {.mode = tape::Mode::checkpoints});
  const std::uint64_t budget = plain.peak_bytes / 2;
  const tape::Result operations =
      train("operations", {.mode = tape::Mode::operations, .budget_bytes = budget});
  const bool agree = same_bits(plain, checkpoints) && same_bits(plain, operations);
  std::cout << "losses and gradients " << (agree ? "agree" : "DIFFER")
            << " bit for bit; the budget was " << budget << " bytes\n";
  const bool saves = checkpoints.peak_bytes < plain.peak_bytes && operations.peak_bytes <= budget;
  return agree && saves && plain.losses.back() < plain.losses.front() ? 0 : 1;
}
