// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// When to plan, and which plan holds.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <reprise/core/error.hpp>
#include <reprise/planner/plan.hpp>
#include <reprise/planner/planner.hpp>
#include <reprise/program/program.hpp>
#include <reprise/scheduler/replan_every.hpp>
#include <reprise/scheduler/replan_policy.hpp>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// Owns when to replan and keeps plans by shape signature; never changes a plan inside a step.
///
/// `begin_step` freezes the statistics; the plan for (statistics, shapes) is made at the first
/// request that shows the shapes. The first statistics trigger a replan.
/// @tparam P the planner
/// @tparam R when plans are due
template <Planner P, ReplanPolicy R = ReplanEvery>
class CheckpointScheduler {
 public:
  explicit CheckpointScheduler(P planner, R replan = {})
      : planner_(std::move(planner)), replan_(std::move(replan)) {}

  [[nodiscard]] P& planner() noexcept { return planner_; }

  /// The user's word on a layer, whatever the planner; holds from the next step's plans on.
  void override_layer(std::size_t layer, LayerOverride word) {
    if (overrides_.size() <= layer) overrides_.resize(layer + 1, LayerOverride::none);
    overrides_[layer] = word;
    is_due_ = true;
  }

  /// Freezes the statistics of this step: ĝ a layer, NaN for none, empty before the first.
  void begin_step(std::span<const double> statistics, std::uint64_t step) {
    const bool are_first = gradients_.empty() && !statistics.empty();
    if (is_due_ || are_first || replan_(steps_since_plan_)) {
      plans_.clear();
      gradients_.assign(statistics.begin(), statistics.end());
      step_ = step;
      steps_since_plan_ = 0;
      is_due_ = false;
    }
    ++steps_since_plan_;
  }

  /// The plan that holds in this step for a program with these shapes.
  /// @throws what the planner throws.
  [[nodiscard]] std::shared_ptr<const Plan> plan(std::uint64_t signature, const Program& program,
                                                 byte_count budget,
                                                 std::size_t passes_in_flight = 1) {
    if (const auto known = plans_.find(signature); known != plans_.end()) return known->second;
    if (overrides_.size() > program.layer_count()) {
      throw InvalidArgument("an override of layer " + std::to_string(overrides_.size() - 1) +
                            " of a program of " + std::to_string(program.layer_count()) +
                            " layers");
    }
    auto made =
        std::make_shared<const Plan>(planner_(PlanRequest{.program = program,
                                                          .budget = budget,
                                                          .gradients = gradients_,
                                                          .step = step_,
                                                          .overrides = overrides_,
                                                          .passes_in_flight = passes_in_flight}));
    ++plans_made_;
    plans_.emplace(signature, made);
    return made;
  }

  /// Forgets the plan for these shapes, whose program was wrong.
  void forget(std::uint64_t signature) { plans_.erase(signature); }

  /// Plans made so far.
  [[nodiscard]] std::uint64_t plans_made() const noexcept { return plans_made_; }

 private:
  P planner_;
  R replan_;
  std::vector<LayerOverride> overrides_;
  std::vector<double> gradients_;
  std::unordered_map<std::uint64_t, std::shared_ptr<const Plan>> plans_;
  std::uint64_t step_ = 0;
  std::uint64_t steps_since_plan_ = 0;
  std::uint64_t plans_made_ = 0;
  bool is_due_ = true;
};

}  // namespace reprise::inline v0
