// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <reprise/program/program.hpp>
#include <utility>
#include <vector>

namespace reprise_test {

/// A chain of layers of 8 bytes of output, 4 (or as given) of saved state, 8 of gradient and a cost
/// of 1 each; backward reads saved state only. Values: the input, then (output, saved) a layer,
/// then the gradients from the last layer's to the input's.
inline reprise::Program chain_program(std::uint32_t layers, bool can_skip_output = false,
                                      reprise::byte_count saved_bytes = 4) {
  std::vector<reprise::Value> values{{.kind = reprise::ValueKind::input}};
  std::vector<reprise::Operation> operations;
  for (std::uint32_t n = 0; n < layers; ++n) {
    values.push_back({.kind = reprise::ValueKind::output, .node = n, .bytes = 8});
    values.push_back({.kind = reprise::ValueKind::saved, .node = n, .bytes = saved_bytes});
    operations.push_back({.kind = reprise::OperationKind::forward,
                          .node = n,
                          .layer = n,
                          .reads = {n == 0 ? 0 : 2 * n - 1},
                          .writes = {2 * n + 1, 2 * n + 2},
                          .cost = 1,
                          .repeatable = true,
                          .can_skip_output = can_skip_output});
  }
  auto gradient = static_cast<reprise::value_id>(values.size());
  values.push_back({.kind = reprise::ValueKind::gradient, .node = layers - 1, .bytes = 8});
  operations.push_back({.kind = reprise::OperationKind::loss,
                        .layer = layers - 1,
                        .reads = {2 * layers - 1},
                        .writes = {gradient}});
  for (std::uint32_t n = layers; n-- > 0;) {
    const bool of_input = n == 0;
    values.push_back({.kind = reprise::ValueKind::gradient,
                      .node = of_input ? reprise::Value::no_node : n - 1,
                      .bytes = 8,
                      .stays = of_input});
    operations.push_back({.kind = reprise::OperationKind::backward,
                          .node = n,
                          .layer = n,
                          .reads = {gradient, 2 * n + 2},
                          .writes = {gradient + 1},
                          .cost = 2});
    ++gradient;
  }
  return {std::move(values), std::move(operations), layers, layers, true};
}

}  // namespace reprise_test
