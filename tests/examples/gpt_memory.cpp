// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// The GPT under every policy: the bits of the hand-written loop, and a ledger that is the
// allocator.

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <new>
#include <optional>
#include <reprise/core/arguments.hpp>
#include <reprise/core/error.hpp>
#include <reprise/core/pass_context.hpp>
#include <reprise/core/philox.hpp>
#include <reprise/eviction/dtr.hpp>
#include <reprise/eviction/dtr_eq_class.hpp>
#include <reprise/planner/any_planner.hpp>
#include <reprise/planner/online.hpp>
#include <reprise/planner/plan.hpp>
#include <reprise/planner/recompute_all.hpp>
#include <reprise/planner/store_all.hpp>
#include <reprise/program/cost/flops.hpp>
#include <reprise/program/lowering.hpp>
#include <reprise/program/profile.hpp>
#include <reprise/run/checkpointed.hpp>
#include <reprise/scheduler/checkpoint_scheduler.hpp>
#include <reprise/stats/gradient_stat_tracker.hpp>
#include <reprise/store/remat_store.hpp>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "engine/adam_w.hpp"
#include "engine/model.hpp"
#include "engine/reference_loop.hpp"
#include "engine/threads.hpp"
#include "policy.hpp"
#include "support/gpt_training.hpp"

namespace {

using Trace = reprise_test::GptTrace;

constexpr std::size_t steps = reprise_test::SmallGpt::steps;
constexpr std::size_t micro_batches = reprise_test::SmallGpt::micro_batches;
constexpr std::uint64_t seed = reprise_test::SmallGpt::seed;

gpt::ModelShape shape_with(float dropout) { return reprise_test::SmallGpt::shape(dropout); }

void fill_batches(gpt::Model<>& model) { reprise_test::SmallGpt::fill_batches(model); }

Trace train_by_hand(float dropout) { return reprise_test::train_by_hand<gpt::Cpu>(dropout); }

Trace train_with(const reprise::AnyPlanner& planner, float dropout, reprise::byte_count budget) {
  return reprise_test::train_under<gpt::Cpu>(planner, dropout, budget);
}

reprise::byte_count smallest_budget(const reprise::AnyPlanner& planner, float dropout) {
  try {
    static_cast<void>(train_with(planner, dropout, 1));
  } catch (const reprise::BudgetInfeasible& refusal) {
    return refusal.smallest_budget();
  }
  return 0;
}

}  // namespace

TEST_CASE("every policy trains with the bits of the hand-written loop, ledger = allocator") {
  gpt::set_threads(1);
  for (const float dropout : {0.0F, 0.2F}) {
    const Trace expected = train_by_hand(dropout);
    for (const std::string_view policy : gpt::policy_names) {
      CAPTURE(policy);
      CAPTURE(dropout);
      CHECK(train_with(gpt::planner_of(policy, {.tries = 200}), dropout,
                       reprise::unlimited_bytes) == expected);
    }
  }
}

namespace {

// The model run operation by operation: within the budget, as the policy's dry run says.
template <class P>
Trace train_online(const reprise::Online<P>& dry_run, float dropout, double share) {
  gpt::Model model(shape_with(dropout), seed);
  fill_batches(model);
  gpt::AdamW optimiser(model.parameters(), {});
  const reprise::Program program =
      reprise::lower(model.graph(), reprise::make_profile(model.graph(), {}, {}), true,
                     reprise::Flops{})
          .program;
  const reprise::byte_count all = reprise::StoreAll{}({.program = program}).peak_bytes;
  const auto budget = static_cast<reprise::byte_count>(share * static_cast<double>(all));
  const reprise::Plan foretold = dry_run({.program = program, .budget = budget});
  reprise::RematStore store{dry_run.policy(), {.budget = budget}};
  reprise::Checkpointed net{model.graph(), store, {.seed = seed, .cost_model = reprise::Flops{}}};
  Trace trace;
  for (std::uint64_t step = 0; step < steps; ++step) {
    net.begin_step();
    model.parameters().zero_gradients();
    model.memory().reset_peak();
    for (std::uint64_t i = 0; i < micro_batches; ++i) {
      auto pass = net.forward();
      trace.losses.push_back(*pass.output().data());
      net.backward(std::move(pass), model.scalar(0.5F));
    }
    net.end_step();
    optimiser.step();
    const reprise::RunReport report = net.report();
    CHECK(report.peak_bytes == foretold.peak_bytes);
    // The first step measures, too.
    if (step > 0) CHECK(model.memory().peak_bytes() == foretold.peak_bytes);
    CHECK(report.recomputed_cost == micro_batches * foretold.recomputed_cost);
    CHECK(report.peak_bytes <= budget);
    CHECK((report.evictions > 0) == (share < 1));
  }
  CHECK(model.memory().live_bytes() == 0);
  trace.finish(model);
  return trace;
}

}  // namespace

TEST_CASE("run operation by operation the model keeps its budget and every bit") {
  gpt::set_threads(1);
  for (const float dropout : {0.0F, 0.2F}) {
    const Trace expected = train_by_hand(dropout);
    for (const double share : {1.0, 0.7, 0.5}) {
      CAPTURE(dropout);
      CAPTURE(share);
      CHECK(train_online(reprise::Online<reprise::Dtr>{}, dropout, share) == expected);
      CHECK(train_online(reprise::Online<reprise::DtrEqClass>{}, dropout, share) == expected);
    }
  }
}

TEST_CASE("a policy trains with the smallest budget that it names") {
  gpt::set_threads(1);
  constexpr float dropout = 0.1F;
  const Trace expected = train_by_hand(dropout);
  for (const std::string_view policy : {"store-all", "recompute-all", "sqrt", "gradient", "dtr-eq",
                                        "min-cut", "search", "balanced"}) {
    CAPTURE(policy);
    const reprise::AnyPlanner planner = gpt::planner_of(policy, {.tries = 200});
    const reprise::byte_count smallest = smallest_budget(planner, dropout);
    REQUIRE(smallest > 0);
    CHECK(train_with(planner, dropout, smallest) == expected);
    // A search may find what its budget did not promise.
    if (policy == "search" || policy == "balanced") continue;
    CHECK_THROWS_AS(train_with(planner, dropout, smallest - 1), reprise::BudgetInfeasible);
  }
}

namespace {

enum class FaultKind { allocation, call_begins, call_ends };

// The event with this number, counted from 0 in its step, fails.
struct Fault {
  FaultKind kind;
  std::uint64_t number;
};

// The model's graph, in which one call of a node throws, before or after its work.
class FailingGraph : public gpt::ModelGraph<> {
 public:
  explicit FailingGraph(gpt::ModelGraph<>&& graph) : ModelGraph(std::move(graph)) {}

  std::optional<Fault> fault;
  std::uint64_t calls = 0;

  void forward(std::size_t node, reprise::Arguments<gpt::Tensor<>> inputs,
               std::span<gpt::Tensor<>> outputs, saved_type& saved, reprise::PassContext& pass) {
    fail_at(FaultKind::call_begins);
    gpt::ModelGraph<>::forward(node, inputs, outputs, saved, pass);
    fail_at(FaultKind::call_ends);
    ++calls;
  }
  void backward(std::size_t node, reprise::Arguments<gpt::Tensor<>> inputs,
                reprise::Arguments<gpt::Tensor<>> outputs, saved_type& saved,
                reprise::Arguments<gpt::Tensor<>> gradients, reprise::PassContext& pass,
                std::span<gpt::Tensor<>* const> input_gradients) {
    fail_at(FaultKind::call_begins);
    gpt::ModelGraph<>::backward(node, inputs, outputs, saved, gradients, pass, input_gradients);
    fail_at(FaultKind::call_ends);
    ++calls;
  }

 private:
  void fail_at(FaultKind kind) const {
    if (fault && fault->kind == kind && fault->number == calls) {
      throw std::runtime_error("the engine's own failure");
    }
  }
};

// Two steps; in the second one something fails, and the step is tried again.
Trace train_with_fault(const std::optional<Fault>& fault, bool& has_failed) {
  gpt::ModelShape shape = shape_with(0.2F);
  shape.layers = 2;
  gpt::Model model(shape, seed);
  fill_batches(model);
  FailingGraph graph(std::move(model.graph()));
  gpt::AdamW optimiser(model.parameters(), {});
  reprise::GradientStatTracker tracker(graph);
  reprise::CheckpointScheduler scheduler(reprise::RecomputeAll{});
  reprise::RematStore store;
  reprise::Checkpointed net{graph, tracker, scheduler, store, {.seed = seed}};
  Trace trace;
  const auto step = [&] {
    std::vector<float> losses;
    model.parameters().zero_gradients();
    net.begin_step();
    for (std::uint64_t i = 0; i < micro_batches; ++i) {
      auto pass = net.forward();
      losses.push_back(*pass.output().data());
      net.backward(std::move(pass), model.scalar(0.5F));
    }
    net.end_step();
    optimiser.step();
    trace.losses.insert(trace.losses.end(), losses.begin(), losses.end());
  };
  step();
  if (fault && fault->kind == FaultKind::allocation) {
    model.memory().fail_allocation(model.memory().allocations() + fault->number);
  } else {
    graph.fault = fault;
    graph.calls = 0;
  }
  try {
    step();
  } catch (const std::exception& failure) {
    has_failed = true;
    graph.fault.reset();
    REQUIRE(fault.has_value());
    CHECK((dynamic_cast<const std::bad_alloc*>(&failure) != nullptr) ==
          (fault->kind == FaultKind::allocation));
    CHECK(model.memory().live_bytes() == 0);
    CHECK(net.live_bytes() == 0);
    CHECK(tracker.steps() == 1);
    CHECK(optimiser.steps() == 1);
    step();
  }
  trace.finish(model);
  return trace;
}

}  // namespace

TEST_CASE("whatever fails in a step, nothing leaks and the step can be tried again") {
  gpt::set_threads(1);
  bool has_failed = false;
  const Trace expected = train_with_fault(std::nullopt, has_failed);
  REQUIRE(!has_failed);
  for (const FaultKind kind :
       {FaultKind::allocation, FaultKind::call_begins, FaultKind::call_ends}) {
    CAPTURE(static_cast<int>(kind));
    std::uint64_t number = 0;
    do {
      CAPTURE(number);
      has_failed = false;
      REQUIRE(train_with_fault(Fault{.kind = kind, .number = number}, has_failed) == expected);
      ++number;
    } while (has_failed);
    CHECK(number > 100);
  }
}

TEST_CASE("inference leaves nothing behind and drops nothing") {
  gpt::set_threads(1);
  gpt::Model model(shape_with(0.5F), seed);
  fill_batches(model);
  model.batches().evaluation = model.batches().training.front();
  reprise::GradientStatTracker tracker(model.graph());
  reprise::CheckpointScheduler scheduler(reprise::StoreAll{});
  reprise::RematStore store;
  reprise::Checkpointed net{model.graph(), tracker, scheduler, store};
  gpt::Model plain(shape_with(0), seed);
  fill_batches(plain);
  gpt::ReferenceLoop loop(plain.graph());
  const float expected = *loop.forward({}).data();
  CHECK(*net.infer().front().data() == expected);
  CHECK(model.memory().live_bytes() == 0);
}
