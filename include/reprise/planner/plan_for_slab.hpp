// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A plan and its layout together, for a slab of a given size.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <reprise/core/error.hpp>
#include <reprise/core/units.hpp>
#include <reprise/planner/local_search.hpp>
#include <reprise/planner/plan.hpp>
#include <reprise/planner/planner.hpp>
#include <reprise/program/layout.hpp>
#include <reprise/program/program.hpp>
#include <string>
#include <type_traits>
#include <utility>

namespace reprise::inline v0 {

/// A plan, and where in a slab its values lie.
struct SlabPlan {
  Plan plan{};           ///< whose schedule fits
  ArenaLayout layout{};  ///< of the plan's schedule
};

/// How to plan for a slab.
struct SlabOptions {
  /// Of each plan; the goal is the slab. By a number of tries unless told otherwise, so that equal
  /// plans have equal layouts.
  LayoutOptions layout{.tries = 100};
  std::size_t plans = 8;  ///< that are laid out at most, see `plan_for_slab`; 0 counts as 1
};

namespace slab_planning {

/// Looks for the budget with which a plan's layout fits the slab.
template <class P>
class Search {
 public:
  Search(const PlanRequest& request, P& planner, const SlabOptions& options)
      : request_(request),
        planner_(planner),
        layout_(options.layout),
        slab_(request.budget),
        plans_left_(std::max<std::size_t>(options.plans, 1)) {
    layout_.goal = std::max<byte_count>(slab_, 1);
    for (value_id v = 0; v < request.program.values().size(); ++v) {
      if (request.program.is_given(v)) given_bytes_ += request.program.values()[v].bytes;
    }
  }

  [[nodiscard]] SlabPlan run() {
    descend();
    if (best_) {
      ascend();
    } else {
      try_low_budgets();
    }
    if (!best_) refuse();
    return std::move(*best_);
  }

 private:
  enum class Outcome : std::uint8_t { fits, too_large, no_plan };

  // What a layout is above the slab is taken off the next budget.
  void descend() {
    byte_count bytes = slab_;
    for (; plans_left_ > 0; --plans_left_) {
      const Outcome outcome = attempt(bytes);
      lowest_ = bytes;
      if (outcome != Outcome::too_large) return;
      highest_ = std::min(bytes, planned_);
      if (highest_ == 0) return;
      bytes = highest_ - std::clamp<byte_count>(needed_ - slab_, 1, highest_);
    }
  }

  // Between a budget that fits and one that did not, a larger one may fit and cost less.
  void ascend() {
    while (plans_left_ > 0 && highest_ > lowest_ && highest_ - lowest_ > slab_ / least_step) {
      --plans_left_;
      const byte_count bytes = lowest_ + (highest_ - lowest_) / 2;
      (attempt(bytes) == Outcome::fits ? lowest_ : highest_) = bytes;
    }
  }

  // The smallest budget and some above it, which do not depend on the slab: what fits here fits a
  // larger slab too.
  void try_low_budgets() {
    if (!smallest_ && attempt(0) == Outcome::fits) return;
    if (!smallest_) return;
    const byte_count smallest = *smallest_;
    static_cast<void>(attempt(smallest));
    for (const byte_count part : {64U, 32U, 16U, 8U}) {
      const byte_count more = smallest / part;
      if (more > 0 && smallest < slab_ && more <= slab_ - smallest) {
        static_cast<void>(attempt(smallest + more));
      }
    }
  }

  // With so many bytes beside what is given.
  Outcome attempt(byte_count bytes) {
    request_.budget =
        bytes > unlimited_bytes - given_bytes_ ? unlimited_bytes : bytes + given_bytes_;
    try {
      SlabPlan laid{.plan = planner_(request_)};
      laid.layout = reprise::layout(request_.program, laid.plan.schedule, layout_);
      return consider(std::move(laid));
    } catch (const BudgetInfeasible& refused) {
      bound_ = std::max(bound_, without_given(refused.lower_bound_bytes()));
      smallest_ = without_given(refused.smallest_budget());
      return Outcome::no_plan;
    }
  }

  Outcome consider(SlabPlan laid) {
    planned_ = without_given(laid.plan.peak_bytes);
    needed_ = laid.layout.high_water;
    least_needed_ = std::min(least_needed_, needed_);
    bound_ = std::max(bound_, without_given(laid.plan.lower_bound_bytes));
    if (needed_ > slab_) return Outcome::too_large;
    if (!best_ || laid.plan.recomputed_cost < best_->plan.recomputed_cost) best_ = std::move(laid);
    return Outcome::fits;
  }

  [[nodiscard]] byte_count without_given(byte_count bytes) const {
    return bytes - std::min(bytes, given_bytes_);
  }

  [[noreturn]] void refuse() const {
    const auto in_bytes = [](byte_count bytes) {
      return std::to_string(bytes) + " bytes (" + format_bytes(bytes) + ")";
    };
    throw BudgetInfeasible("a slab of " + in_bytes(slab_) +
                               " holds none of this planner's plans: the smallest slab that was "
                               "found to hold one has " +
                               in_bytes(least_needed_) + ", and any plan has at least " +
                               in_bytes(bound_) + " live at once",
                           slab_, least_needed_, bound_);
  }

  static constexpr byte_count least_step = 256;  ///< of the slab: one part of so many

  PlanRequest request_;
  P& planner_;
  LayoutOptions layout_;
  byte_count slab_;
  std::size_t plans_left_;
  byte_count given_bytes_ = 0;          ///< that budgets count and no slab holds
  byte_count lowest_ = 0;               ///< the largest budget that fits, if one does
  byte_count highest_ = 0;              ///< the smallest that does not
  byte_count planned_ = 0;              ///< by the last plan
  std::optional<byte_count> smallest_;  ///< budget that the planner meets, once it refused one
  byte_count needed_ = 0;               ///< by the last layout
  byte_count least_needed_ = unlimited_bytes;
  byte_count bound_ = 0;
  std::optional<SlabPlan> best_;
};

}  // namespace slab_planning

/// Plans such that the layout fits a slab: the cheapest of the plans that do.
///
/// The first budget is the slab's bytes, beside what is given (inputs and constants are the
/// engine's own and lie elsewhere). Alignment and fragmentation may take the layout above it; each
/// further budget is lower by what the layout before needed too much, and once one fits, budgets
/// above it are tried until they are within 1/256 of the slab. Where none fits, neither do five at
/// and above the smallest budget that the planner meets: a slab that one of these fits never fails
/// where a smaller one succeeds. Deterministic where the planner is and layouts go by tries.
///
/// Time is that of `options.plans` plans and layouts at most, and of six more where none of them
/// fits; mostly that of one.
/// @param request its budget is the slab's bytes
/// @param planner models Planner
/// @throws BudgetInfeasible if no plan fits, in bytes of slabs: planning for the smallest slab that
///   it names succeeds, by the same planner and options if both are deterministic
/// @throws InvalidArgument for several passes in flight, each of which takes a slab of its own, and
///   as `layout`; and what the planner throws
template <class P>
requires Planner<std::remove_cvref_t<P>>
[[nodiscard]] SlabPlan plan_for_slab(const PlanRequest& request, P&& planner,
                                     const SlabOptions& options = {}) {
  if (request.passes_in_flight > 1) {
    throw InvalidArgument("a slab for " + std::to_string(request.passes_in_flight) +
                          " passes in flight: each takes one of its own");
  }
  return slab_planning::Search(request, planner, options).run();
}

/// The same for a program alone.
/// @param slab_bytes that the layout may need
template <class P>
requires Planner<std::remove_cvref_t<P>>
[[nodiscard]] SlabPlan plan_for_slab(const Program& program, byte_count slab_bytes, P&& planner,
                                     const SlabOptions& options = {}) {
  return plan_for_slab(PlanRequest{.program = program, .budget = slab_bytes}, planner, options);
}

/// The same by `LocalSearch`, a second a plan.
[[nodiscard]] inline SlabPlan plan_for_slab(const Program& program, byte_count slab_bytes,
                                            const SlabOptions& options = {}) {
  return plan_for_slab(program, slab_bytes, LocalSearch{}, options);
}

}  // namespace reprise::inline v0
