// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <reprise/program/program.hpp>
#include <utility>
#include <vector>

namespace reprise_test {

/// A small random program as a recorder would write it: constants, several outputs, costs of 0,
/// transients, now and then an operation that cannot be repeated, results. No views.
inline reprise::Program random_recorded_program(std::mt19937_64& random, std::size_t most) {
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  std::vector<reprise::Value> values{{.kind = reprise::ValueKind::constant, .bytes = below(8)}};
  std::vector<reprise::Operation> operations;
  const std::size_t count = 4 + below(most - 3);
  for (std::uint32_t op = 0; op < count; ++op) {
    reprise::Operation operation{.node = op,
                                 .transient_bytes = below(4) == 0 ? below(6) : 0,
                                 .cost = static_cast<double>(below(10)),
                                 .repeatable = below(8) != 0};
    for (std::size_t i = 1 + below(2); i > 0; --i) {
      const std::size_t back =
          below(4) == 0 ? values.size() : std::min<std::size_t>(3, values.size());
      const auto read = static_cast<reprise::value_id>(values.size() - 1 - below(back));
      if (std::ranges::find(operation.reads, read) == operation.reads.end()) {
        operation.reads.push_back(read);
      }
    }
    for (std::size_t i = below(5) == 0 ? 2 : 1; i > 0; --i) {
      operation.writes.push_back(static_cast<reprise::value_id>(values.size()));
      values.push_back({.node = op, .bytes = 1 + below(12)});
    }
    operations.push_back(std::move(operation));
  }
  std::vector<reprise::value_id> results{static_cast<reprise::value_id>(values.size() - 1)};
  if (below(2) == 0)
    results.push_back(static_cast<reprise::value_id>(1 + below(values.size() - 1)));
  std::ranges::sort(results);
  results.erase(std::unique(results.begin(), results.end()), results.end());  // for clang 14
  return {std::move(values), std::move(operations), reprise::Program::no_operation, 1, true,
          std::move(results)};
}

}  // namespace reprise_test
