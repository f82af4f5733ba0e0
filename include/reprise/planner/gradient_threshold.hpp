// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The gradient rule: what to keep is decided by each layer's gradient statistic.

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
#include <reprise/planner/layer_values.hpp>
#include <reprise/planner/planner.hpp>
#include <reprise/threshold/threshold_policy.hpp>
#include <string>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// Keeps what layer l saved, and the outputs inside it, if and only if ĝ_l > τ_l; recomputes the
/// others from the outputs between layers, which stay.
///
/// Without a budget that is all. Under one, it drops the lowest ĝ first among what τ would keep,
/// then outputs between layers, and takes the first set of that walk which fits.
///
/// How few bytes that walk needs depends on ĝ. Where it needs more than the walk from everything in
/// the layers' order, which is the one before the first statistics, the smallest set of the latter
/// is a candidate too: a budget that could be met then can be met whatever ĝ becomes. In the rare
/// program where that set also recomputes less than the plain rule's, it is taken under any budget,
/// since a larger one must not cost more.
///
/// A layer without a statistic takes the decision of the nearest earlier layer that has one (of the
/// first that has one, if none is earlier); before the first statistics every layer counts as
/// above.
///
/// Where layers save nothing and have no outputs inside, as in a graph of plain nodes without
/// layers, the rule has nothing to decide: only a budget makes it recompute.
///
/// Exact recomputation never changes a gradient, so this rule is a baseline: what it saves has
/// nothing to do with what recomputing a layer costs. Choose it to reproduce the idea.
/// It tries at most four times `DropWalk::most_candidates` sets.
template <ThresholdPolicy P>
class GradientThreshold {
 public:
  /// The policy turns the statistics into a τ for each layer.
  explicit GradientThreshold(P policy) : policy_(std::move(policy)) {}

  /// What gives τ; a change of it shows in the next plan.
  [[nodiscard]] const P& policy() const noexcept { return policy_; }
  [[nodiscard]] P& policy() noexcept { return policy_; }

  /// @throws InvalidArgument if the statistics are not one a layer; BudgetInfeasible if no set
  ///   fits; and what the policy throws.
  [[nodiscard]] Plan operator()(const PlanRequest& request) {
    const LayerValues layers(request.program);
    const std::vector<std::size_t> by_gradient = layers_by_gradient(request);
    const std::vector<std::uint8_t> is_above = decide(request, layers.layer_count());
    std::vector<std::size_t> above;
    std::ranges::copy_if(by_gradient, std::back_inserter(above),
                         [&](std::size_t layer) { return is_above[layer] != 0; });

    CandidateSearch search(request, layers, "gradient");
    DropWalk walk(request.program, layers, above, by_gradient);
    // Dropping more never costs less, so the first set of the walk that fits is its cheapest.
    bool fits = search.consider(walk.set());
    while (!fits && walk.advance()) fits = search.consider(walk.set(), dropped(walk, is_above));
    if (request.budget != unlimited_bytes) {
      const std::vector<std::size_t> in_order = layers_in_order(layers.layer_count());
      consider_last_resort(search, walk, {request.program, layers, in_order, in_order}, is_above);
    }
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
  // The smallest set in the layers' order counts only if it is smaller than all sets by gradient,
  // whatever the budget; most often it is plain early that it could not beat the best one.
  static void consider_last_resort(CandidateSearch& search, DropWalk& by_gradient,
                                   DropWalk in_order, const std::vector<std::uint8_t>& is_above) {
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

  // What the plain rule keeps and a walk has dropped.
  [[nodiscard]] static std::size_t dropped(const DropWalk& walk,
                                           const std::vector<std::uint8_t>& is_above) {
    const auto counts = [&](std::size_t layer) { return is_above[layer] != 0; };
    return walk.between_dropped() +
           static_cast<std::size_t>(std::ranges::count_if(walk.inside_dropped(), counts));
  }

  [[nodiscard]] static std::vector<std::size_t> layers_in_order(std::size_t count) {
    std::vector<std::size_t> order(count);
    std::iota(order.begin(), order.end(), std::size_t{0});
    return order;
  }

  [[nodiscard]] static std::vector<std::size_t> layers_by_gradient(const PlanRequest& request) {
    const std::vector<double> gradients = gradient_of_each_layer(request);
    std::vector<std::size_t> order = layers_in_order(gradients.size());
    std::ranges::stable_sort(order, {}, [&](std::size_t layer) { return gradients[layer]; });
    return order;
  }

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
