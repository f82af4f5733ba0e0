// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Static checkpointing.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <reprise/core/error.hpp>
#include <reprise/planner/candidate_search.hpp>
#include <reprise/planner/planner.hpp>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace reprise::inline v0 {

/// The keep set of static checkpointing: the outputs of every n-th layer, and all that lies after
/// the last of them, since it would be remade at once.
[[nodiscard]] inline KeepSet keep_every_nth(const Program& program, const LayerValues& layers,
                                            std::size_t n) {
  KeepSet set(program.values().size(), 0);
  const std::size_t count = layers.layer_count();
  const std::size_t last_group = count == 0 ? 0 : (count - 1) / n * n;
  for (std::size_t layer = 0; layer < count; ++layer) {
    if (layer >= last_group) {
      mark(set, layers.inside(layer), true);
      mark(set, layers.between(layer), true);
    } else if ((layer + 1) % n == 0) {
      mark(set, layers.between(layer), true);
    }
  }
  return set;
}

/// The keep set of static checkpointing where layers do not divide the program: groups of so many
/// forward operations take their place. What one group hands to another is kept, and all that lies
/// in the last group.
[[nodiscard]] inline KeepSet keep_between_groups(const Program& program, std::size_t size) {
  KeepSet set(program.values().size(), 0);
  const std::size_t count = program.turn();
  const std::size_t last_group = count == 0 ? 0 : (count - 1) / size;
  for (operation_id op = 0; op < count; ++op) {
    const Operation& o = program.operations()[op];
    if (op / size == last_group) mark(set, o.writes, true);
    for (const value_id read : o.reads) {
      if (!program.is_given(read) && program.maker(read) / size != op / size) set[read] = 1;
    }
  }
  return set;
}

/// Static checkpointing: every n-th layer's output is kept, everything between is recomputed,
/// except what lies after the last kept output. Choose as the baseline that most frameworks offer.
///
/// Where all operations are of one layer, n of them are a group. Where each node is a layer of its
/// own and leaves nothing to recompute in groups of one, a group is the root of the number of
/// operations. A program of no more than n layers, if more than one, is one group: all is kept.
/// Source: Chen, Xu, Zhang, Guestrin, "Training deep nets with sublinear memory cost",
/// arXiv:1604.06174.
struct EveryNth {
  static constexpr bool ignores_statistics = true;  ///< a StaticPlanner

  std::size_t n = 4;  ///< layers a group, at least 1

  /// @throws InvalidArgument if n is 0; BudgetInfeasible if the plan passes the budget.
  [[nodiscard]] Plan operator()(const PlanRequest& request) const {
    if (n == 0) throw InvalidArgument("EveryNth needs groups of at least 1 layer, not 0");
    return plan(request, n, "every-" + std::to_string(n));
  }

  /// The plan for groups of n layers under a name of its own in messages.
  [[nodiscard]] static Plan plan(const PlanRequest& request, std::size_t n, std::string_view name) {
    const LayerValues layers(request.program);
    CandidateSearch search(request, layers, name);
    Plan plan = search.play(keep_every_nth(request.program, layers, n));
    const std::size_t size = operations_a_group(request.program, n);
    if (size > 0 && !recomputes(request.program, plan.schedule)) {
      plan = search.play(keep_between_groups(request.program, size));
    }
    search.consider(std::move(plan));
    return search.take();
  }

 private:
  // 0 where layers divide the program.
  [[nodiscard]] static std::size_t operations_a_group(const Program& program, std::size_t n) {
    const std::span<const Operation> forwards = program.operations().first(program.turn());
    const bool is_one_layer = std::ranges::adjacent_find(forwards, std::ranges::not_equal_to{},
                                                         &Operation::layer) == forwards.end();
    if (n > 1) return is_one_layer ? n : 0;
    const double root = std::sqrt(static_cast<double>(forwards.size()));
    return std::max<std::size_t>(1, static_cast<std::size_t>(std::lround(root)));
  }

  [[nodiscard]] static bool recomputes(const Program& program, const Schedule& schedule) {
    const auto runs = std::ranges::count(schedule.actions, ActionKind::run, &Action::kind);
    return static_cast<std::size_t>(runs) > program.operations().size();
  }
};

static_assert(StaticPlanner<EveryNth>);

}  // namespace reprise::inline v0
