// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <reprise/planner/min_cut.hpp>
#include <reprise/planner/recompute_all.hpp>
#include <reprise/planner/store_all.hpp>
#include <reprise/program/bounds.hpp>
#include <reprise/program/forms/overlap_transfers.hpp>
#include <reprise/program/forms/with_forms.hpp>
#include <reprise/program/schedule_from_saved.hpp>
#include <reprise/program/simulate.hpp>
#include <vector>

#include "support/cases.hpp"
#include "support/seed.hpp"
#include "support/wild_forms.hpp"

namespace {

using reprise::Action;
using reprise::ActionKind;
using reprise::byte_count;
using reprise::OperationKind;
using reprise::Program;
using reprise::Schedule;
using reprise::Simulation;

// A chain whose nodes take 10 forward and 20 backward; all outputs, of 100 bytes, but those of the
// last two nodes are offloaded.
Program offloaded_chain(std::uint32_t nodes, double copy_cost) {
  std::vector<reprise::Value> values;
  std::vector<reprise::Operation> operations;
  for (std::uint32_t n = 0; n < nodes; ++n) {
    values.push_back({.node = n, .bytes = 100});
    reprise::Operation op{.node = n, .layer = n, .writes = {n}, .cost = 10, .repeatable = true};
    if (n > 0) op.reads = {n - 1};
    operations.push_back(op);
  }
  std::uint32_t gradient = nodes;
  values.push_back({.kind = reprise::ValueKind::gradient, .node = nodes - 1, .bytes = 1});
  operations.push_back({.kind = OperationKind::loss, .reads = {nodes - 1}, .writes = {gradient}});
  std::vector<reprise::FormChoice> choices;
  for (std::uint32_t n = nodes; n-- > 0;) {
    reprise::Operation op{
        .kind = OperationKind::backward, .node = n, .layer = n, .reads = {gradient, n}, .cost = 20};
    if (n > 0) {
      values.push_back({.kind = reprise::ValueKind::gradient, .node = n - 1, .bytes = 1});
      op.writes = {++gradient};
    }
    operations.push_back(op);
    if (n + 2 >= nodes) continue;
    choices.push_back({.value = n,
                       .option = {.bytes = 100,
                                  .memory = reprise::Memory::host,
                                  .cost = copy_cost,
                                  .restorations = {{.cost = copy_cost}}}});
  }
  const Program plain(values, operations, nodes, nodes, false);
  return reprise::with_forms(plain, choices).program;
}

Schedule store_all(const Program& program) {
  return reprise::schedule_from_saved(program, reprise::SavedSet(program.values().size(), 1));
}

}  // namespace

TEST_CASE("copies that are as fast as computing are hidden") {
  const Program program = offloaded_chain(12, 9);
  const Schedule alone = store_all(program);
  const Simulation before = reprise::simulate(program, alone);
  CHECK(before.waited_seconds == 2 * 10 * 9);
  const Schedule beside = reprise::overlap_transfers(program, alone, {.budget = 400});
  const Simulation after = reprise::simulate(program, beside);
  CHECK(after.peak_bytes <= 400);
  CHECK(after.waited_seconds == 0);
  CHECK(after.seconds == before.seconds - before.waited_seconds);
  CHECK(after.peak_host_bytes == before.peak_host_bytes);
  CHECK(after.moved_bytes == before.moved_bytes);
}

TEST_CASE("no more is in flight than the budget has room for") {
  const Program program = offloaded_chain(12, 9);
  const Schedule alone = store_all(program);
  const Simulation before = reprise::simulate(program, alone);
  double seconds = before.seconds;
  for (byte_count budget = before.peak_bytes; budget <= before.peak_bytes + 300; budget += 50) {
    CAPTURE(budget);
    const Simulation after =
        reprise::simulate(program, reprise::overlap_transfers(program, alone, {.budget = budget}));
    CHECK(after.peak_bytes <= budget);
    CHECK(after.seconds <= seconds);
    seconds = after.seconds;
  }
  CHECK(seconds < before.seconds);
}

TEST_CASE("with several passes in flight nothing more is kept between forward and backward") {
  const Program program = offloaded_chain(12, 9);
  const Schedule alone = store_all(program);
  const Schedule beside = reprise::overlap_transfers(program, alone, {.keeps_boundary = true});
  const Simulation before = reprise::simulate(program, alone);
  const Simulation after = reprise::simulate(program, beside);
  CHECK(after.boundary_bytes == before.boundary_bytes);
  CHECK(after.seconds < before.seconds);
  CHECK(reprise::simulate(program, reprise::overlap_transfers(program, alone)).boundary_bytes >
        before.boundary_bytes);
}

TEST_CASE("a schedule without copies stays as it is") {
  const Program program = offloaded_chain(3, 1);
  const Program plain({{.node = 0, .bytes = 8}}, {{.node = 0, .writes = {0}, .cost = 1}},
                      Program::no_operation, 1, false);
  const Schedule schedule{{Action::run(0), Action::drop(0)}};
  CHECK(reprise::overlap_transfers(plain, schedule) == schedule);
  const Schedule once = reprise::overlap_transfers(program, store_all(program));
  CHECK(once != store_all(program));
}

TEST_CASE("random schedules: within the budget, no slower, the same runs in the same order") {
  REPRISE_SEEDED(random);
  std::size_t faster = 0;
  const auto is_computing = [](const Program& program, const Action& action) {
    return action.kind == ActionKind::run &&
           lane_of(program.operations()[action.index].kind) == reprise::Lane::compute;
  };
  for (std::size_t i = 0; i < reprise_test::cases(600); ++i) {
    CAPTURE(i);
    const Program program =
        reprise_test::wild_forms(random, {.has_loss = i % 2 == 0, .has_views = i % 3 != 0});
    if (program.cost_is_flops()) continue;
    const byte_count least = reprise::lower_bound_bytes(program);
    const byte_count all = reprise::MinCut{}({.program = program}).peak_bytes;
    for (const byte_count budget : {least, (least + all) / 2, all, reprise::unlimited_bytes}) {
      reprise::Plan plan;
      try {
        plan = reprise::MinCut{}({.program = program, .budget = budget});
      } catch (const reprise::BudgetInfeasible&) {
        continue;
      }
      const bool keeps_boundary = random() % 2 == 0;
      const Schedule beside = reprise::overlap_transfers(
          program, plan.schedule, {.budget = budget, .keeps_boundary = keeps_boundary});
      const Simulation before = reprise::simulate(program, plan.schedule);
      const Simulation after = reprise::simulate(program, beside);
      CHECK(after.peak_bytes <= std::max(budget, before.peak_bytes));
      CHECK(after.seconds <= before.seconds);
      CHECK(after.recomputed_cost == before.recomputed_cost);
      CHECK(after.moved_bytes == before.moved_bytes);
      if (keeps_boundary) CHECK(after.boundary_bytes <= before.boundary_bytes);
      faster += after.seconds < before.seconds ? 1 : 0;
      std::vector<Action> computed;
      for (const Action& action : plan.schedule.actions) {
        if (is_computing(program, action)) computed.push_back(action);
      }
      std::erase_if(computed, [&, next = std::size_t{0}](const Action& action) mutable {
        while (next < beside.actions.size() && !is_computing(program, beside.actions[next])) {
          ++next;
        }
        return next < beside.actions.size() && beside.actions[next++] == action;
      });
      CHECK(computed.empty());
    }
  }
  CHECK(faster > 0);
}
