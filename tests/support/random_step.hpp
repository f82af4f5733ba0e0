// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// One training step of a random graph or random layers, and all that it computes.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <reprise/planner/any_planner.hpp>
#include <reprise/program/cost/flops.hpp>
#include <reprise/run/checkpointed.hpp>
#include <reprise/scheduler/checkpoint_scheduler.hpp>
#include <reprise/store/remat_store.hpp>
#include <span>
#include <utility>
#include <vector>

#include "support/random_graph.hpp"

namespace reprise_test {

/// A tracker for tests that plan without statistics.
struct NoStatistics {
  [[nodiscard]] std::span<const double> statistics() const { return {}; }
  void end_step() {}
  void abandon_step() {}
};

/// Outputs, and gradients of graph inputs and parameters; equal if all bits are.
struct StepResult {
  std::vector<double> outputs;
  std::vector<double> gradients;

  friend bool operator==(const StepResult& a, const StepResult& b) {
    const auto same = [](const std::vector<double>& x, const std::vector<double>& y) {
      return x.size() == y.size() &&
             (x.empty() || std::memcmp(x.data(), y.data(), x.size() * sizeof(double)) == 0);
    };
    return same(a.outputs, b.outputs) && same(a.gradients, b.gradients);
  }
};

/// The gradient that steps give the output with number `index`.
inline Tensor output_gradient(auto& random_graph, std::size_t index) {
  return random_graph.tensor(index == 0 ? 0.5 : -0.25);
}

/// Runs the backward of a pass with `output_gradient`. Peak bytes are counted anew from here, so
/// that what the loss makes is among them.
template <class Net, class Pass>
std::vector<Tensor> run_backward(auto& random_graph, Net& net, Pass pass) {
  random_graph.world->memory.peak = random_graph.world->memory.live;
  Tensor first = output_gradient(random_graph, 0);
  if (random_graph.graph.outputs().size() == 1) {
    return net.backward(std::move(pass), std::move(first));
  }
  Tensor second = output_gradient(random_graph, 1);
  return net.backward(std::move(pass), std::move(first), std::move(second));
}

inline void append(std::vector<double>& to, const Tensor& t) {
  to.insert(to.end(), t.data(), t.data() + t.size());
}

/// The same for the gradient of a graph input, which is zero where there is none.
inline void append_gradient(std::vector<double>& to, auto& random_graph, const Tensor& dx) {
  append(to, dx.size() > 0 ? dx : random_graph.tensor(0.0));
}

/// Runs one whole step.
template <class Net>
StepResult run_step(auto& random_graph, Net& net, const Tensor& input) {
  StepResult result;
  random_graph.zero_gradients();
  net.begin_step();
  auto pass = net.forward(input);
  for (std::size_t i = 0; i < random_graph.graph.outputs().size(); ++i) {
    append(result.outputs, pass.output(i));
  }
  for (const Tensor& dx : run_backward(random_graph, net, std::move(pass))) {
    append_gradient(result.gradients, random_graph, dx);
  }
  net.end_step();
  const std::vector<double> parameters = random_graph.gradients();
  result.gradients.insert(result.gradients.end(), parameters.begin(), parameters.end());
  return result;
}

/// How a step runs.
struct StepOptions {
  reprise::byte_count budget = reprise::unlimited_bytes;
  std::uint64_t seed = 0;
  bool verify_replay = false;
  reprise::ActionObserver observer{};
};

/// Runs one whole step under a planner, without statistics.
template <class P>
StepResult run_step_with(auto& random_graph, P planner, StepOptions options) {
  NoStatistics tracker;
  reprise::CheckpointScheduler scheduler{reprise::AnyPlanner(std::move(planner))};
  reprise::RematStore store{{.budget = options.budget, .observer = std::move(options.observer)}};
  reprise::Checkpointed net{random_graph.graph,
                            tracker,
                            scheduler,
                            store,
                            {.seed = options.seed,
                             .verify_replay = options.verify_replay,
                             .cost_model = reprise::Flops{}}};
  const Tensor input = random_graph.tensor(0.3);
  return run_step(random_graph, net, input);
}

}  // namespace reprise_test
