// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <queue>
#include <reprise/program/program.hpp>
#include <unordered_map>
#include <vector>

namespace reprise_test {

/// The cheapest recomputation of any schedule within a budget, by Dijkstra over all states (what is
/// present, what has run); infinite if there is none. For programs of up to 32 operations and
/// values, no views, nothing consumed; exponential in them.
/// What cannot be repeated runs where the program has it, before all later operations; others may
/// run later for the first time.
/// @param anchor an operation that runs before each later one does; see `MinCut`
inline double cheapest_recomputation(const reprise::Program& program, reprise::byte_count budget,
                                     reprise::operation_id anchor) {
  using Mask = std::uint64_t;
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const auto values = program.values();
  const auto operations = program.operations();
  const auto bit = [](std::size_t i) { return Mask{1} << i; };
  const auto has_run = [](std::size_t op) { return Mask{1} << (32 + op); };
  Mask start = 0;
  for (std::size_t v = 0; v < values.size(); ++v) {
    if (program.is_given(static_cast<reprise::value_id>(v))) start |= bit(v);
  }
  const auto live = [&](Mask state) {
    reprise::byte_count bytes = 0;
    for (std::size_t v = 0; v < values.size(); ++v) {
      if ((state & bit(v)) != 0 && values[v].kind != reprise::ValueKind::input) {
        bytes += values[v].bytes;
      }
    }
    return bytes;
  };
  const auto is_end = [&](Mask state) {
    for (std::size_t op = 0; op < operations.size(); ++op) {
      if ((state & has_run(op)) == 0) return false;
    }
    for (const reprise::value_id result : program.results()) {
      if ((state & bit(result)) == 0) return false;
    }
    return true;
  };
  const auto may_run = [&](Mask state, std::size_t op) {
    for (const reprise::value_id read : operations[op].reads) {
      if ((state & bit(read)) == 0) return false;
    }
    if ((state & has_run(op)) != 0) return operations[op].repeatable;
    for (std::size_t other = 0; other < op; ++other) {
      const bool comes_first = other == anchor || !operations[other].repeatable;
      if (comes_first && (state & has_run(other)) == 0) return false;
    }
    return true;
  };

  std::unordered_map<Mask, double> cost{{start, 0.0}};
  using Entry = std::pair<double, Mask>;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue;
  queue.push({0.0, start});
  const auto reach = [&](Mask state, double at) {
    const auto [place, is_new] = cost.try_emplace(state, at);
    if (!is_new && place->second <= at) return;
    place->second = at;
    queue.push({at, state});
  };
  while (!queue.empty()) {
    const auto [at, state] = queue.top();
    queue.pop();
    if (cost[state] < at) continue;
    if (is_end(state)) return at;
    const reprise::byte_count bytes = live(state);
    for (std::size_t op = 0; op < operations.size(); ++op) {
      if (!may_run(state, op)) continue;
      reprise::byte_count during = bytes + operations[op].transient_bytes;
      Mask next = state | has_run(op);
      for (const reprise::value_id written : operations[op].writes) {
        during += values[written].bytes;
        next |= bit(written);
      }
      if (during > budget || next == state) continue;
      reach(next, at + ((state & has_run(op)) != 0 ? operations[op].cost : 0));
    }
    for (std::size_t v = 0; v < values.size(); ++v) {
      if ((state & bit(v)) != 0 && !program.is_given(static_cast<reprise::value_id>(v))) {
        reach(state & ~bit(v), at);
      }
    }
  }
  return infinity;
}

}  // namespace reprise_test
