// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <reprise/core/error.hpp>
#include <reprise/planner/binomial.hpp>
#include <reprise/planner/candidate_search.hpp>
#include <reprise/planner/chain/binomial_steps.hpp>
#include <reprise/planner/chain/chain_reversal.hpp>
#include <reprise/planner/chain/layer_chain.hpp>
#include <reprise/planner/layer_values.hpp>
#include <reprise/program/schedule_of_runs.hpp>
#include <string>

namespace reprise::inline v0 {

namespace binomial {

[[nodiscard]] inline std::size_t fewer(std::size_t states) {
  constexpr std::size_t all_up_to = 64;
  return states - std::max<std::size_t>(1, (states - 1) / all_up_to);
}

[[nodiscard]] inline ChainChoice choose(const LayerChain& chain, const ChainOverrides& overrides,
                                        const ChainSegment& segment) {
  const auto [first, last, states] = segment;
  if (chain.link(last).is_free) return {.split = last + 1, .room_before = states};
  const bool is_first_pass = last == chain.loss();
  const bool is_last = is_first_pass && first + 1 == last;
  const bool must_save = is_first_pass && overrides.last_split(first) == first;
  const bool saves =
      must_save || chain.link(first).is_free || (is_last && overrides.may_save(chain, first, last));
  if (saves) return {.split = first, .room_after = states};
  const std::uint32_t length = last - first + (is_first_pass ? 0 : 1);
  const auto next = static_cast<std::uint32_t>(BinomialSteps(length, states).next());
  const std::uint32_t split = is_last ? last : first + next;
  return {.split = is_first_pass ? std::min(split, overrides.last_split(first)) : split,
          .room_after = std::max<std::uint32_t>(states, 2) - 1,
          .room_before = states};
}

[[nodiscard]] inline RunList runs(const LayerChain& chain, const ChainOverrides& overrides,
                                  std::size_t states) {
  return reverse_chain(chain, static_cast<std::uint32_t>(states),
                       [&](const ChainSegment& segment) -> ChainChoice {
                         return choose(chain, overrides, segment);
                       });
}

// Each forward that keeps nothing costs at least as much as the cheapest; recomputing may leave out
// some of a layer's operations.
[[nodiscard]] inline double least_cost(const LayerChain& chain, std::size_t states) {
  double cheapest = std::numeric_limits<double>::infinity();
  double left_out = 0;
  for (std::uint32_t i = 0; i < chain.loss(); ++i) {
    const ChainLink& link = chain.link(i);
    if (link.is_free) return 0;
    cheapest = std::min(cheapest, link.forward_cost);
    left_out += link.forward_cost - link.recompute_cost;
  }
  const auto steps = static_cast<double>(BinomialSteps(chain.loss(), states).count());
  return steps * cheapest - left_out;
}

}  // namespace binomial

Plan Binomial::operator()(const PlanRequest& request) const {
  if (checkpoints == 0) throw InvalidArgument("Binomial needs at least 1 checkpoint, not 0");
  check_request(request);
  const LayerChain chain(request.program);
  const ChainOverrides overrides(chain, request.overrides);
  const LayerValues layers(request.program);
  const std::string name = checkpoints ? "binomial-" + std::to_string(*checkpoints) : "binomial";
  CandidateSearch search(request, layers, name);
  const std::size_t most = std::max<std::size_t>(chain.loss(), 1);
  const auto consider = [&](std::size_t states) {
    search.consider(plan_of_runs(request, binomial::runs(chain, overrides, states)));
  };
  if (checkpoints) {
    consider(std::min(*checkpoints, most));
  } else {
    for (std::size_t states = most; states > 0; states = binomial::fewer(states)) {
      const bool is_bounded = search.best() && request.overrides.empty();
      if (is_bounded && search.best()->recomputed_cost <= binomial::least_cost(chain, states))
        break;
      consider(states);
    }
  }
  return search.take();
}

}  // namespace reprise::inline v0
