// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <reprise/program/program.hpp>
#include <utility>
#include <vector>

namespace reprise_bench {

/// A chain of layers whose sizes and costs differ by up to a factor of `spread`, as those of a
/// convolutional net do. Outputs are kibibytes and more, backward reads saved state and input.
inline reprise::Program uneven_chain(std::uint32_t layers, double spread = 16) {
  std::mt19937_64 random(layers);
  std::uniform_real_distribution<double> exponent(0, std::log(spread));
  const auto uneven = [&](double least) { return std::floor(least * std::exp(exponent(random))); };
  const auto bytes = [&](double least) { return static_cast<reprise::byte_count>(uneven(least)); };
  using reprise::OperationKind;
  using reprise::ValueKind;
  std::vector<reprise::Value> values{{.kind = ValueKind::input}};
  std::vector<reprise::Operation> operations;
  std::vector<double> costs;
  for (std::uint32_t n = 0; n < layers; ++n) {
    const auto output = static_cast<reprise::value_id>(values.size());
    values.push_back({.kind = ValueKind::output, .node = n, .bytes = bytes(1024)});
    values.push_back({.kind = ValueKind::saved, .node = n, .bytes = bytes(2048)});
    costs.push_back(uneven(1e6));
    operations.push_back({.kind = OperationKind::forward,
                          .node = n,
                          .layer = n,
                          .reads = {n == 0 ? 0 : output - 2},
                          .writes = {output, output + 1},
                          .transient_bytes = bytes(256),
                          .cost = costs.back(),
                          .repeatable = true});
  }
  auto gradient = static_cast<reprise::value_id>(values.size());
  values.push_back(
      {.kind = ValueKind::gradient, .node = layers - 1, .bytes = values[2 * layers - 1].bytes});
  operations.push_back({.kind = OperationKind::loss,
                        .layer = layers - 1,
                        .reads = {2 * layers - 1},
                        .writes = {gradient}});
  for (std::uint32_t n = layers; n-- > 0;) {
    const reprise::value_id input = n == 0 ? 0 : 2 * n - 1;
    values.push_back({.kind = ValueKind::gradient,
                      .node = n == 0 ? reprise::Value::no_node : n - 1,
                      .bytes = values[input].bytes,
                      .stays = n == 0});
    operations.push_back({.kind = OperationKind::backward,
                          .node = n,
                          .layer = n,
                          .reads = {gradient, 2 * n + 2, input},
                          .writes = {gradient + 1},
                          .transient_bytes = bytes(256),
                          .cost = 2 * costs[n]});
    ++gradient;
  }
  return {std::move(values), std::move(operations), layers, layers, true};
}

}  // namespace reprise_bench
