// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// optimise: always
#include <doctest/doctest.h>

#include <cstdint>
#include <reprise/planner/every_nth.hpp>
#include <reprise/planner/recompute_all.hpp>
#include <reprise/planner/square_root.hpp>
#include <reprise/planner/store_all.hpp>
#include <vector>

#include "support/planner_conformance.hpp"

TEST_CASE("RecomputeAll conforms") { reprise_test::check_planner(reprise::RecomputeAll{}); }

TEST_CASE("RecomputeAll runs every layer but the last once more") {
  const auto program = reprise_test::chain_program(5);
  const auto plan = reprise::RecomputeAll{}({.program = program});
  CHECK(reprise::simulate(program, plan.schedule).recomputes_per_layer ==
        std::vector<std::uint32_t>{1, 1, 1, 1, 0});
}

TEST_CASE("RecomputeAll recomputes where nodes have no layers, in groups of them") {
  // Each node reads the one before it, and its backward reads that again; nothing is saved.
  for (const bool is_one_layer : {false, true}) {
    CAPTURE(is_one_layer);
    constexpr std::uint32_t nodes = 12;
    std::vector<reprise::Value> values{{.kind = reprise::ValueKind::input}};
    std::vector<reprise::Operation> operations;
    for (std::uint32_t n = 0; n < nodes; ++n) {
      values.push_back({.node = n, .bytes = 8});
      operations.push_back({.node = n,
                            .layer = is_one_layer ? 0 : n,
                            .reads = {n},
                            .writes = {n + 1},
                            .cost = 1,
                            .repeatable = true});
    }
    auto gradient = static_cast<reprise::value_id>(values.size());
    values.push_back({.kind = reprise::ValueKind::gradient, .node = nodes - 1, .bytes = 8});
    operations.push_back(
        {.kind = reprise::OperationKind::loss, .reads = {nodes}, .writes = {gradient}});
    for (std::uint32_t n = nodes; n-- > 0; ++gradient) {
      values.push_back({.kind = reprise::ValueKind::gradient, .bytes = 8, .stays = n == 0});
      operations.push_back({.kind = reprise::OperationKind::backward,
                            .node = n,
                            .layer = is_one_layer ? 0 : n,
                            .reads = {gradient, n},
                            .writes = {gradient + 1}});
    }
    const reprise::Program program(values, operations, nodes, is_one_layer ? 1 : nodes, true);
    const auto all = reprise::StoreAll{}({.program = program});
    const auto check = [&](const reprise::Plan& plan, double cost) {
      CHECK(plan.recomputed_cost == cost);
      CHECK(plan.boundary_bytes < all.boundary_bytes);
      CHECK(plan.peak_bytes < all.peak_bytes);
    };
    // Groups of 3, of which the last is kept; what a group hands on is not run again.
    check(reprise::RecomputeAll{}({.program = program}), 6);
    check(reprise::SquareRoot{}({.program = program}), 6);
    check(reprise::EveryNth{4}({.program = program}), 6);
  }
}
