// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// Whatever a program is made from, it is refused or means what it says: it runs once in its own
// order, it can be laid out, explained, kept in part and planned, and any schedule is played or
// refused.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <reprise/core/error.hpp>
#include <reprise/eviction/dtr.hpp>
#include <reprise/eviction/dtr_eq_class.hpp>
#include <reprise/eviction/dtr_local.hpp>
#include <reprise/eviction/largest.hpp>
#include <reprise/eviction/lru.hpp>
#include <reprise/eviction/msps.hpp>
#include <reprise/planner/balanced.hpp>
#include <reprise/planner/binomial.hpp>
#include <reprise/planner/every_nth.hpp>
#include <reprise/planner/gradient_threshold.hpp>
#include <reprise/planner/local_search.hpp>
#include <reprise/planner/min_cut.hpp>
#include <reprise/planner/online.hpp>
#include <reprise/planner/optimal_chain.hpp>
#include <reprise/planner/recompute_all.hpp>
#include <reprise/planner/square_root.hpp>
#include <reprise/planner/store_all.hpp>
#include <reprise/program/arena/check_layout.hpp>
#include <reprise/program/bounds.hpp>
#include <reprise/program/explain.hpp>
#include <reprise/program/forms/overlap_transfers.hpp>
#include <reprise/program/json.hpp>
#include <reprise/program/layout.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/release_points.hpp>
#include <reprise/program/schedule_from_saved.hpp>
#include <reprise/program/simulate.hpp>
#include <reprise/threshold/median_threshold.hpp>
#include <vector>

#include "program_from_bytes.hpp"

namespace {

using reprise::Action;
using reprise::byte_count;
using reprise::Program;
using reprise::Schedule;
using reprise::value_id;

void expect(bool holds) {
  if (!holds) std::abort();
}

/// Each operation once, and at the end everything goes that may.
Schedule in_own_order(const Program& program) {
  Schedule schedule;
  reprise::Ledger ledger(program);
  const auto apply = [&](const Action& action) {
    ledger.apply(action);
    schedule.actions.push_back(action);
  };
  for (reprise::operation_id op = 0; op < program.operations().size(); ++op) {
    apply(Action::run(op));
  }
  std::vector<std::uint8_t> is_result(program.values().size(), 0);
  for (const value_id result : program.results()) is_result[result] = 1;
  for (value_id v = 0; v < program.values().size(); ++v) {
    const bool stays = program.is_given(v) || program.values()[v].stays || is_result[v] != 0;
    if (ledger.is_present(v) && !stays) apply(Action::drop(v));
  }
  return schedule;
}

void check_told(const Program& program, const Schedule& schedule) {
  const reprise::ArenaLayout laid = layout(program, schedule, {.alignment = 8, .tries = 3});
  expect(laid.live_bytes <= laid.high_water);
  reprise::arena::check_layout(program, schedule, laid);
  for (const reprise::ArenaBlock& block : laid.blocks) {
    expect(block.offset % 8 == 0 && block.bytes <= laid.high_water &&
           block.offset <= laid.high_water - block.bytes);
  }
  expect(!explain(program, schedule).empty());
  for (value_id v = 0; v < program.values().size(); ++v) {
    expect(!explain(program, schedule, v).empty());
  }
}

void check_any_schedule(const Program& program, const Schedule& schedule) {
  try {
    check_actions(program, schedule);
    check_told(program, schedule);
    static_cast<void>(simulate(program, schedule));
  } catch (const reprise::InvalidSchedule&) {
  } catch (const reprise::InvalidArgument&) {  // its blocks are too many for 64 bits
  }
}

void check_kept(const Program& program, reprise_test::ByteReader& bytes) {
  reprise::SavedSet set(program.values().size());
  for (auto& flag : set) flag = static_cast<std::uint8_t>(bytes.below(2));
  const auto recompute = bytes.one_in(2) ? reprise::RecomputedLifetime::one_backward
                                         : reprise::RecomputedLifetime::until_last_read;
  try {
    const Schedule schedule = schedule_from_saved(program, set, recompute);
    expect(simulate(program, schedule).peak_bytes >= lower_bound_bytes(program));
  } catch (const reprise::InvalidArgument&) {  // nothing survives a loss that is not there
    expect(!program.has_loss());
  }
}

// The peak of a plan, or what the planner says that it needs, if it says that. What it throws of
// other types is what was looked for.
template <class P>
std::optional<byte_count> bytes_of_plan(const reprise::PlanRequest& request, P planner) {
  try {
    const reprise::Plan plan = planner(request);
    const reprise::Simulation played = simulate(request.program, plan.schedule);
    expect(plan.peak_bytes <= request.budget);
    expect(plan.lower_bound_bytes <= plan.peak_bytes);
    expect(plan.lower_bound_cost <= plan.recomputed_cost);
    expect(plan.peak_bytes == reprise::peak_in_flight(played.peak_bytes, played.boundary_bytes,
                                                      request.passes_in_flight));
    return plan.peak_bytes;
  } catch (const reprise::BudgetInfeasible& refused) {
    expect(request.budget != reprise::unlimited_bytes);
    expect(refused.smallest_budget() > request.budget);
    expect(refused.lower_bound_bytes() <= refused.smallest_budget());
    return refused.smallest_budget();
  } catch (const reprise::NotAChain&) {
  } catch (const reprise::InvalidArgument&) {
  }
  return std::nullopt;
}

// What a refusal names is met, at once.
template <class P>
void check_plan(reprise::PlanRequest request, const P& planner) {
  const std::optional<byte_count> needed = bytes_of_plan(request, planner);
  if (!needed || *needed <= request.budget) return;
  request.budget = *needed;
  const std::optional<byte_count> met = bytes_of_plan(request, planner);
  expect(met && *met <= *needed);
}

template <class... P>
void check_plans(const reprise::PlanRequest& request, const P&... planners) {
  (check_plan(request, planners), ...);
}

// One planner at a time: all of them together would take most of a fuzzer's time.
void check_planner(const reprise::PlanRequest& request, std::size_t which) {
  using reprise::Online;
  switch (which) {
    case 0:
      return check_plans(request, reprise::MinCut{}, reprise::MinCut{.looks_further = false});
    case 1:
      return check_plans(request, reprise::LocalSearch{{.tries = 20, .threads = 1}});
    case 2:
      return check_plans(request, reprise::Balanced{{.tries = 20}});
    case 3:
      return check_plans(request, Online<reprise::DtrEqClass>{}, Online<reprise::Msps>{});
    case 4:
      return check_plans(request, Online<reprise::Dtr>{}, Online<reprise::Lru>{});
    case 5:
      return check_plans(request, Online<reprise::DtrLocal>{}, Online<reprise::Largest>{});
    case 6:
      return check_plans(request, reprise::Binomial{}, reprise::OptimalChain{.slots = 20});
    default:
      return check_plans(request, reprise::StoreAll{}, reprise::RecomputeAll{},
                         reprise::EveryNth{.n = 2}, reprise::SquareRoot{},
                         reprise::GradientThreshold{reprise::MedianThreshold{.alpha = 1.0}});
  }
}

void check_planned(const Program& program, byte_count peak, reprise_test::ByteReader& bytes) {
  std::vector<reprise::LayerOverride> overrides;
  if (bytes.one_in(4)) {
    for (std::size_t n = bytes.below(program.layer_count() + 2); n > 0 && n < 100; --n) {
      overrides.push_back(static_cast<reprise::LayerOverride>(bytes.below(4)));
    }
  }
  const std::size_t passes = bytes.one_in(4) ? bytes.below(4) : 1;
  const std::size_t which = bytes.below(8);
  for (const byte_count budget :
       {reprise::unlimited_bytes, peak / 2, peak * bytes.byte() / 256, byte_count{0}}) {
    check_planner(
        {.program = program, .budget = budget, .overrides = overrides, .passes_in_flight = passes},
        which);
  }
}

std::optional<Program> make(reprise_test::ByteReader& bytes) {
  const reprise_test::ProgramParts parts(bytes);
  try {
    return parts.program();
  } catch (const reprise::InvalidGraph&) {
    return std::nullopt;
  }
}

// What goes beside computing is played in no more time and bytes than one after another.
void check_overlapped(const Program& program, const Schedule& schedule) {
  if (program.cost_is_flops()) return;
  const reprise::Simulation before = simulate(program, schedule);
  const reprise::Simulation after =
      simulate(program, overlap_transfers(program, schedule, {.budget = before.peak_bytes}));
  expect(after.seconds <= before.seconds && after.peak_bytes <= before.peak_bytes);
  expect(after.moved_bytes == before.moved_bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  reprise_test::ByteReader bytes(data, size);
  const std::optional<Program> program = make(bytes);
  if (!program) return 0;
  const Schedule once = in_own_order(*program);
  const reprise::Simulation played = simulate(*program, once);
  expect(lower_bound_bytes(*program) <= played.peak_bytes);
  expect(played.peak_bytes < byte_count{1} << 63U);
  expect(schedule_from_json(schedule_to_json(*program, once), *program) == once);
  expect(release_points(*program).size() == program->operations().size());
  check_any_schedule(*program, once);
  check_overlapped(*program, once);
  check_kept(*program, bytes);
  check_planned(*program, played.peak_bytes, bytes);
  check_any_schedule(*program, schedule_from_bytes(bytes, *program));
  return 0;
}
