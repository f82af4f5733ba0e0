// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <numeric>
#include <optional>
#include <reprise/core/error.hpp>
#include <reprise/planner/candidate_search.hpp>
#include <reprise/planner/drop_walk.hpp>
#include <reprise/planner/gradient_threshold.hpp>
#include <string>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

namespace gradient_threshold {

// What the plain rule keeps and a walk has dropped.
[[nodiscard]] inline std::size_t dropped(const DropWalk& walk,
                                         const std::vector<std::uint8_t>& is_above) {
  const auto counts = [&](std::size_t layer) { return is_above[layer] != 0; };
  return walk.between_dropped() +
         static_cast<std::size_t>(std::ranges::count_if(walk.inside_dropped(), counts));
}

// The smallest set in the layers' order counts only if it is smaller than all sets by gradient,
// whatever the budget; most often it is plain early that it could not beat the best one.
inline void consider_last_resort(CandidateSearch& search, DropWalk& by_gradient, DropWalk in_order,
                                 const std::vector<std::uint8_t>& is_above) {
  const auto is_too_dear = [&](const Plan& plan) {
    return search.best() && plan.recomputed_cost >= search.best()->recomputed_cost;
  };
  std::optional<Plan> smallest;
  do {
    Plan next = search.play(in_order.set(), dropped(in_order, is_above));
    const bool may_win = smallest && smallest->peak_bytes < search.smallest_peak();
    if (!may_win && is_too_dear(next)) return;
    if (!smallest || next.peak_bytes < smallest->peak_bytes) smallest = std::move(next);
  } while (in_order.advance());
  if (is_too_dear(*smallest)) return;
  const auto is_smaller = [&] { return smallest->peak_bytes < search.smallest_peak(); };
  while (is_smaller() && by_gradient.advance()) search.consider(by_gradient.set());
  if (is_smaller()) search.consider(*std::move(smallest));
}

template <class T, class HasValue>
void fill_gaps(std::vector<T>& of_layers, HasValue has_value) {
  const auto first = std::ranges::find_if(of_layers, has_value);
  if (first == of_layers.end()) return;
  T nearest = *first;
  for (T& value : of_layers) {
    if (has_value(value)) {
      nearest = value;
    } else {
      value = nearest;
    }
  }
}

// ĝ for the order of the walk; a layer without one has that of the layer it follows.
[[nodiscard]] inline std::vector<double> gradient_of_each_layer(const PlanRequest& request) {
  const std::size_t count = request.program.layer_count();
  if (request.gradients.empty()) return std::vector<double>(count, 0.0);
  if (request.gradients.size() != count) {
    throw InvalidArgument(std::to_string(request.gradients.size()) +
                          " statistics for a program of " + std::to_string(count) + " layers");
  }
  std::vector<double> gradients(request.gradients.begin(), request.gradients.end());
  fill_gaps(gradients, [](double g) { return !std::isnan(g); });
  for (double& g : gradients) g = std::isnan(g) ? 0.0 : g;
  return gradients;
}

[[nodiscard]] inline std::vector<std::size_t> layers_in_order(std::size_t count) {
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  return order;
}

[[nodiscard]] inline std::vector<std::size_t> layers_by_gradient(const PlanRequest& request) {
  const std::vector<double> gradients = gradient_of_each_layer(request);
  std::vector<std::size_t> order = layers_in_order(gradients.size());
  std::ranges::stable_sort(order, {}, [&](std::size_t layer) { return gradients[layer]; });
  return order;
}

Rule::Rule(const PlanRequest& request)
    : request_(request), layers_(request.program), by_gradient_(layers_by_gradient(request)) {
  for (const double g : request.gradients) {
    if (!std::isnan(g)) known_.push_back(g);
  }
}

Plan Rule::plan(const std::vector<double>& taus) const {
  const std::vector<std::uint8_t> is_above = decide(taus);
  std::vector<std::size_t> above;
  std::ranges::copy_if(by_gradient_, std::back_inserter(above),
                       [&](std::size_t layer) { return is_above[layer] != 0; });

  CandidateSearch search(request_, layers_, "gradient");
  DropWalk walk(request_.program, layers_, above, by_gradient_);
  // Dropping more never costs less, so the first set of the walk that fits is its cheapest.
  bool fits = search.consider(walk.set());
  while (!fits && walk.advance()) fits = search.consider(walk.set(), dropped(walk, is_above));
  if (request_.budget != unlimited_bytes) {
    const std::vector<std::size_t> in_order = layers_in_order(layers_.layer_count());
    consider_last_resort(search, walk, {request_.program, layers_, in_order, in_order}, is_above);
  }
  return search.take();
}

std::vector<std::uint8_t> Rule::decide(const std::vector<double>& taus) const {
  constexpr std::uint8_t undecided = 2;
  const std::size_t count = layers_.layer_count();
  if (known_.empty()) return std::vector<std::uint8_t>(count, 1);
  std::vector<std::uint8_t> is_above(count, undecided);
  std::size_t next = 0;
  for (std::size_t layer = 0; layer < count; ++layer) {
    if (std::isnan(request_.gradients[layer])) continue;
    is_above[layer] = known_[next] > taus[next] ? 1 : 0;
    ++next;
  }
  fill_gaps(is_above, [](std::uint8_t decision) { return decision != undecided; });
  return is_above;
}

}  // namespace gradient_threshold

}  // namespace reprise::inline v0
