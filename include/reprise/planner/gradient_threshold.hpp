// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The gradient rule: what to keep is decided by each layer's gradient statistic.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <reprise/core/error.hpp>
#include <reprise/planner/candidate_search.hpp>
#include <reprise/planner/planner.hpp>
#include <reprise/threshold/threshold_policy.hpp>
#include <string>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// Keeps what layer l saved, and the outputs inside it, if and only if ĝ_l > τ_l; recomputes the
/// others from the outputs between layers, which stay.
///
/// Under a budget it drops the lowest ĝ first among what τ would keep, then outputs between layers,
/// and takes the cheapest of that walk which fits; without one it is the plain rule. A layer
/// without a statistic takes the decision of the nearest earlier layer that has one (of the first
/// that has one, if none is earlier); before the first statistics every layer counts as above.
///
/// Exact recomputation never changes a gradient, so this rule is a baseline: what it saves has
/// nothing to do with what recomputing a layer costs. Choose it to reproduce the idea.
/// At most `most_candidates` sets are tried in each half of the walk, evenly spaced.
template <ThresholdPolicy P>
class GradientThreshold {
 public:
  static constexpr std::size_t most_candidates = 128;

  explicit GradientThreshold(P policy) : policy_(std::move(policy)) {}

  [[nodiscard]] const P& policy() const noexcept { return policy_; }
  [[nodiscard]] P& policy() noexcept { return policy_; }

  /// @throws InvalidArgument if the statistics are not one a layer; BudgetInfeasible if no set of
  /// the
  ///   walk fits; and what the policy throws.
  [[nodiscard]] Plan operator()(const PlanRequest& request) {
    const LayerValues layers(request.program);
    const std::vector<double> gradients = gradient_of_each_layer(request);
    std::vector<std::size_t> order(layers.layer_count());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(order, {}, [&](std::size_t layer) { return gradients[layer]; });

    KeepSet set(request.program.values().size(), 0);
    for (const std::size_t layer : order) mark(set, layers.between(layer), true);
    std::vector<std::size_t> above;
    const std::vector<std::uint8_t> is_above = decide(request, layers.layer_count());
    for (const std::size_t layer : order) {
      if (is_above[layer] == 0) continue;
      mark(set, layers.inside(layer), true);
      above.push_back(layer);
    }

    CandidateSearch search(request, layers, "gradient");
    bool fits = search.consider(set);
    std::size_t dropped = 0;
    const auto walk = [&](const std::vector<std::size_t>& from, auto values_of) {
      const std::size_t stride = (from.size() + most_candidates - 1) / most_candidates;
      for (std::size_t i = 0; i < from.size() && !fits; ++i) {
        mark(set, values_of(from[i]), false);
        ++dropped;
        if ((i + 1) % stride == 0 || i + 1 == from.size()) fits = search.consider(set, dropped);
      }
    };
    // Dropping more never costs less, so the first set of the walk that fits is the cheapest.
    walk(
        above, [&](std::size_t layer) -> const auto& { return layers.inside(layer); });
    walk(
        order, [&](std::size_t layer) -> const auto& { return layers.between(layer); });
    return search.take();
  }

  /// What the policy remembers: a word for each of its flags.
  [[nodiscard]] std::vector<std::uint64_t> state() const requires StatefulThresholdPolicy<P> {
    const std::vector<bool> flags = policy_.state();
    return {flags.begin(), flags.end()};
  }

  /// Takes up what `state()` gave.
  /// @throws CorruptState if a word is not a flag.
  void restore(const std::vector<std::uint64_t>& state) requires StatefulThresholdPolicy<P> {
    for (const std::uint64_t word : state) {
      if (word > 1) throw CorruptState("a policy's flag is " + std::to_string(word));
    }
    policy_.restore(std::vector<bool>(state.begin(), state.end()));
  }

 private:
  /// ĝ for the order of the walk; a layer without one has that of the layer it follows.
  [[nodiscard]] static std::vector<double> gradient_of_each_layer(const PlanRequest& request) {
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

  template <class T, class HasValue>
  static void fill_gaps(std::vector<T>& of_layers, HasValue has_value) {
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

  [[nodiscard]] std::vector<std::uint8_t> decide(const PlanRequest& request, std::size_t count) {
    constexpr std::uint8_t undecided = 2;
    std::vector<double> known;
    for (const double g : request.gradients) {
      if (!std::isnan(g)) known.push_back(g);
    }
    if (known.empty()) return std::vector<std::uint8_t>(count, 1);
    const std::vector<double> taus = thresholds(policy_, known, request.step);
    std::vector<std::uint8_t> is_above(count, undecided);
    std::size_t next = 0;
    for (std::size_t layer = 0; layer < count; ++layer) {
      if (std::isnan(request.gradients[layer])) continue;
      is_above[layer] = known[next] > taus[next] ? 1 : 0;
      ++next;
    }
    fill_gaps(is_above, [](std::uint8_t decision) { return decision != undecided; });
    return is_above;
  }

  P policy_;
};

}  // namespace reprise::inline v0
