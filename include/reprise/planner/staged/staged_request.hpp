// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What planners by stages are asked, and how they answer.

#include <cstddef>
#include <reprise/planner/plan.hpp>
#include <reprise/planner/staged/instant_cut.hpp>
#include <reprise/planner/staged/staged_plan.hpp>
#include <reprise/planner/staged/staged_schedule.hpp>
#include <reprise/program/bounds.hpp>
#include <reprise/program/simulate.hpp>
#include <utility>

namespace reprise::inline v0::staged {

/// A request and its program by stages.
class StagedRequest {
 public:
  /// @param request must outlive this
  /// @throws InvalidArgument for a request that no planner can be asked
  explicit StagedRequest(const PlanRequest& request)
      : request_(&checked(request)), program_(request.program, request.overrides) {}
  StagedRequest(const StagedRequest&) = delete;
  StagedRequest& operator=(const StagedRequest&) = delete;

  /// What is asked for.
  [[nodiscard]] const PlanRequest& request() const noexcept { return *request_; }
  /// The request's program by stages, with its overrides.
  [[nodiscard]] const StagedProgram& program() const noexcept { return program_; }
  /// Holds an operation to its own stage, so that a bound found there is one for each plan.
  void anchor(stage_id stage) noexcept {
    if (stage < program_.operation_count()) program_.anchor(stage);
  }

  /// The budget as a limit of one pass that is alone.
  [[nodiscard]] StagedPlan::Limits limits() const noexcept {
    return {.budget = static_cast<double>(request_->budget)};
  }

  /// The plan that reruns nothing but what the user forces. Two cuts.
  [[nodiscard]] StagedPlan base() const {
    StagedPlan plan(program_, limits());
    const stage_id loss = program_.program().loss();
    if (!program_.has_forced()) return plan;
    InstantCut cut(plan, loss);
    cut.solve_forced();
    return with_reruns(plan, cut.reruns());
  }

  /// What a plan needs and costs; without bounds. Linear in it.
  [[nodiscard]] Plan play(const StagedPlan& staged) const { return play(schedule_of(staged)); }
  /// The same of a schedule of the program.
  [[nodiscard]] Plan play(Schedule schedule) const {
    const Simulation played = simulate(request_->program, schedule);
    return {.schedule = std::move(schedule),
            .peak_bytes = peak_in_flight(played.peak_bytes, played.boundary_bytes,
                                         request_->passes_in_flight),
            .boundary_bytes = played.boundary_bytes,
            .recomputed_cost = played.recomputed_cost};
  }

 private:
  [[nodiscard]] static const PlanRequest& checked(const PlanRequest& request) {
    check_request(request);
    return request;
  }

  const PlanRequest* request_;
  StagedProgram program_;
};

}  // namespace reprise::inline v0::staged
