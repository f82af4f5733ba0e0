// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// Calls each planner that is no template: planned by what its header has, or by reprise::planners.

#include <cstdint>
#include <reprise/planner/balanced.hpp>
#include <reprise/planner/binomial.hpp>
#include <reprise/planner/every_nth.hpp>
#include <reprise/planner/gradient_threshold.hpp>
#include <reprise/planner/local_search.hpp>
#include <reprise/planner/min_cut.hpp>
#include <reprise/planner/optimal_chain.hpp>
#include <reprise/planner/plan.hpp>
#include <reprise/planner/recompute_all.hpp>
#include <reprise/planner/square_root.hpp>
#include <reprise/planner/store_all.hpp>
#include <reprise/program/program.hpp>
#include <reprise/threshold/constant_threshold.hpp>
#include <utility>
#include <vector>

namespace {

// Layers that make one value each, and backwards that read it.
reprise::Program program(std::uint32_t layers) {
  using reprise::OperationKind;
  using reprise::ValueKind;
  std::vector<reprise::Value> values{{.kind = ValueKind::input}};
  std::vector<reprise::Operation> operations;
  const auto add = [&](ValueKind kind, reprise::Operation operation) {
    operation.writes = {static_cast<reprise::value_id>(values.size())};
    operation.cost = 1;
    values.push_back({.kind = kind, .node = operation.node, .bytes = 8});
    operations.push_back(std::move(operation));
  };
  for (std::uint32_t n = 0; n < layers; ++n) {
    add(ValueKind::output, {.node = n, .layer = n, .reads = {n}, .repeatable = true});
  }
  add(ValueKind::gradient, {.kind = OperationKind::loss, .layer = layers - 1, .reads = {layers}});
  for (std::uint32_t n = layers; n-- > 0;) {
    add(ValueKind::gradient, {.kind = OperationKind::backward,
                              .node = n,
                              .layer = n,
                              .reads = {static_cast<reprise::value_id>(values.size() - 1), n}});
  }
  values.back().stays = true;
  return {std::move(values), std::move(operations), layers, layers, true};
}

template <class P>
bool plans(P planner, const reprise::Program& program) {
  const reprise::Plan plan = planner(reprise::PlanRequest{.program = program});
  return plan.schedule.actions.size() >= program.operations().size();
}

}  // namespace

bool all_plan() {
  const reprise::Program chain = program(9);
  return plans(reprise::Balanced{{.tries = 10}}, chain) && plans(reprise::Binomial{}, chain) &&
         plans(reprise::EveryNth{}, chain) &&
         plans(reprise::GradientThreshold{reprise::ConstantThreshold{}}, chain) &&
         plans(reprise::LocalSearch{{.tries = 10}}, chain) && plans(reprise::MinCut{}, chain) &&
         plans(reprise::OptimalChain{}, chain) && plans(reprise::RecomputeAll{}, chain) &&
         plans(reprise::SquareRoot{}, chain) && plans(reprise::StoreAll{}, chain);
}
