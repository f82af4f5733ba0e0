// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <reprise/core/error.hpp>
#include <reprise/planner/candidate_search.hpp>
#include <reprise/planner/every_nth.hpp>
#include <reprise/program/schedule.hpp>
#include <span>
#include <string>
#include <utility>

namespace reprise::inline v0 {

namespace every_nth {

// 0 where layers divide the program.
[[nodiscard]] inline std::size_t operations_a_group(const Program& program, std::size_t n) {
  const std::span<const Operation> forwards = program.operations().first(program.loss());
  const bool is_one_layer = std::ranges::adjacent_find(forwards, std::ranges::not_equal_to{},
                                                       &Operation::layer) == forwards.end();
  if (n > 1) return is_one_layer ? n : 0;
  const double root = std::sqrt(static_cast<double>(forwards.size()));
  return std::max<std::size_t>(1, static_cast<std::size_t>(std::lround(root)));
}

[[nodiscard]] inline bool recomputes(const Program& program, const Schedule& schedule) {
  const auto runs = std::ranges::count(schedule.actions, ActionKind::run, &Action::kind);
  return static_cast<std::size_t>(runs) > program.operations().size();
}

}  // namespace every_nth

SavedSet keep_every_nth(const Program& program, const LayerValues& layers, std::size_t n) {
  SavedSet set(program.values().size(), 0);
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

SavedSet keep_between_groups(const Program& program, std::size_t size) {
  SavedSet set(program.values().size(), 0);
  const std::size_t count = program.loss();
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

Plan EveryNth::operator()(const PlanRequest& request) const {
  if (n == 0) throw InvalidArgument("EveryNth needs groups of at least 1 layer, not 0");
  return plan(request, n, "every-" + std::to_string(n));
}

Plan EveryNth::plan(const PlanRequest& request, std::size_t n, std::string_view name) {
  const LayerValues layers(request.program);
  CandidateSearch search(request, layers, name);
  Plan plan = search.play(keep_every_nth(request.program, layers, n));
  const std::size_t size = every_nth::operations_a_group(request.program, n);
  if (size > 0 && !every_nth::recomputes(request.program, plan.schedule)) {
    plan = search.play(keep_between_groups(request.program, size));
  }
  search.consider(std::move(plan));
  return search.take();
}

}  // namespace reprise::inline v0
