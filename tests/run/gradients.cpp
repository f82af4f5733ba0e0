// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// long: REPRISE_CASES=20000

// The gradients of random graphs under random plans are those of finite differences.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <reprise/planner/store_all.hpp>
#include <reprise/run/checkpointed.hpp>
#include <reprise/scheduler/checkpoint_scheduler.hpp>
#include <reprise/store/remat_store.hpp>
#include <string>
#include <vector>

#include "support/cases.hpp"
#include "support/keep_random.hpp"
#include "support/random_graph.hpp"
#include "support/random_step.hpp"

namespace {

using reprise_test::RandomGraph;
using reprise_test::StepResult;
using reprise_test::Tensor;

/// The loss whose gradients `run_step` computes: outputs times the gradients they are given.
class Loss {
 public:
  Loss(RandomGraph& random_graph, std::uint64_t seed)
      : random_graph_(&random_graph),
        net_(random_graph.graph, tracker_, scheduler_, store_, {.seed = seed}),
        input_(random_graph.tensor(0.3)) {}

  /// Everything that the loss depends on: the graph's input, then its parameters.
  [[nodiscard]] std::vector<double*> variables() {
    std::vector<double*> all;
    for (std::size_t i = 0; i < input_.size(); ++i) all.push_back(&input_[i]);
    for (const auto& parameter : random_graph_->parameters) {
      for (double& value : parameter->value) all.push_back(&value);
    }
    return all;
  }

  [[nodiscard]] double operator()() {
    net_.begin_step();
    const auto pass = net_.forward(input_);
    double loss = 0;
    for (std::size_t index = 0; index < random_graph_->graph.outputs().size(); ++index) {
      const Tensor gradient = reprise_test::output_gradient(*random_graph_, index);
      const Tensor& output = pass.output(index);
      for (std::size_t i = 0; i < output.size(); ++i) loss += gradient[i] * output[i];
    }
    return loss;
  }

  /// The derivative by one variable, central and of fourth order.
  [[nodiscard]] double derivative(double& variable) {
    constexpr double h = 1e-4;
    const double original = variable;
    const auto at = [&](double offset) {
      variable = original + offset;
      return (*this)();
    };
    const double near = at(h) - at(-h);
    const double far = at(2 * h) - at(-2 * h);
    variable = original;
    return (8 * near - far) / (12 * h);
  }

 private:
  using Scheduler = decltype(reprise::CheckpointScheduler{reprise::StoreAll{}});

  RandomGraph* random_graph_;
  reprise_test::NoStatistics tracker_;
  Scheduler scheduler_{reprise::StoreAll{}};
  reprise::RematStore<> store_;
  reprise::Checkpointed<reprise::Graph<Tensor>, reprise_test::NoStatistics, Scheduler> net_;
  Tensor input_;
};

/// Products of products grow beyond what differences resolve.
bool is_resolved(const StepResult& result) {
  const auto is_small = [](double value) { return std::fabs(value) < 100; };
  return std::ranges::all_of(result.outputs, is_small) &&
         std::ranges::all_of(result.gradients, is_small);
}

}  // namespace

TEST_CASE("the gradients of random graphs are those of finite differences") {
  const std::size_t cases = reprise_test::cases(400);
  std::size_t compared = 0;
  for (std::size_t seed = 0; seed < cases; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(static_cast<std::uint32_t>(seed));
    RandomGraph random_graph(random);
    const StepResult result = reprise_test::run_step_with(
        random_graph, reprise_test::KeepRandom{&random}, {.seed = seed});
    if (!is_resolved(result)) continue;
    ++compared;
    Loss loss(random_graph, seed);
    const std::vector<double*> variables = loss.variables();
    REQUIRE(result.gradients.size() == variables.size());
    for (std::size_t i = 0; i < variables.size(); ++i) {
      CAPTURE(i);
      const double expected = loss.derivative(*variables[i]);
      const double actual = result.gradients[i];
      CHECK(std::fabs(actual - expected) <= 1e-6 * (1 + std::fabs(expected)));
    }
  }
  MESSAGE(compared, " of ", cases, " graphs compared");
  CHECK(10 * compared >= 9 * cases);
}
