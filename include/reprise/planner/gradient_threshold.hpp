// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The gradient rule: what to keep is decided by each layer's gradient statistic.

#include <cstddef>
#include <cstdint>
#include <reprise/core/error.hpp>
#include <reprise/planner/decl.hpp>
#include <reprise/planner/layer_values.hpp>
#include <reprise/planner/planner.hpp>
#include <reprise/threshold/threshold_policy.hpp>
#include <string>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

namespace gradient_threshold {

/// What the rule does whatever gives τ.
class Rule {
 public:
  /// @param request must outlive this
  REPRISE_PLANNER_DECL explicit Rule(const PlanRequest& request);

  /// ĝ of the layers that have one.
  [[nodiscard]] const std::vector<double>& known() const noexcept { return known_; }

  /// @param taus τ for each of these
  [[nodiscard]] REPRISE_PLANNER_DECL Plan plan(const std::vector<double>& taus) const;

 private:
  [[nodiscard]] REPRISE_PLANNER_DECL std::vector<std::uint8_t> decide(
      const std::vector<double>& taus) const;

  const PlanRequest& request_;
  LayerValues layers_;
  std::vector<std::size_t> by_gradient_;  ///< layers, that of the lowest ĝ first
  std::vector<double> known_;
};

}  // namespace gradient_threshold

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
  static_assert(StatefulThresholdPolicy<P> || !NamesThresholdState<P>,
                "the policy's state and restore cannot be called with the signatures "
                "std::vector<bool> state() const and void restore(const std::vector<bool>&)");

 public:
  /// The policy turns the statistics into a τ for each layer.
  explicit GradientThreshold(P policy) : policy_(std::move(policy)) {}

  /// What gives τ; a change of it shows in the next plan.
  [[nodiscard]] const P& policy() const noexcept { return policy_; }
  [[nodiscard]] P& policy() noexcept { return policy_; }

  /// @throws InvalidArgument if the statistics are not one a layer; BudgetInfeasible if no set
  ///   fits; and what the policy throws.
  [[nodiscard]] Plan operator()(const PlanRequest& request) {
    const gradient_threshold::Rule rule(request);
    const std::vector<double>& known = rule.known();
    return rule.plan(known.empty() ? known : thresholds(policy_, known, request.step));
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
  P policy_;
};

}  // namespace reprise::inline v0

#ifndef REPRISE_SEPARATE_PLANNERS
#include <reprise/planner/impl/gradient_threshold.ipp>
#endif
