// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include "policy.hpp"

#include <reprise/planner/balanced.hpp>
#include <reprise/planner/binomial.hpp>
#include <reprise/planner/every_nth.hpp>
#include <reprise/planner/gradient_threshold.hpp>
#include <reprise/planner/local_search.hpp>
#include <reprise/planner/min_cut.hpp>
#include <reprise/planner/optimal_chain.hpp>
#include <reprise/planner/recompute_all.hpp>
#include <reprise/planner/square_root.hpp>
#include <reprise/planner/store_all.hpp>
#include <reprise/threshold/median_threshold.hpp>

namespace gpt {

reprise::AnyPlanner planner_of(Policy policy, const PlannerOptions& options) {
  switch (policy) {
    case Policy::recompute_all:
      return reprise::AnyPlanner(reprise::RecomputeAll{});
    case Policy::every_4:
      return reprise::AnyPlanner(reprise::EveryNth{.n = 4});
    case Policy::square_root:
      return reprise::AnyPlanner(reprise::SquareRoot{});
    case Policy::gradient:
      return reprise::AnyPlanner(
          reprise::GradientThreshold{reprise::MedianThreshold{.alpha = options.alpha}});
    case Policy::binomial:
      return reprise::AnyPlanner(reprise::Binomial{});
    case Policy::optimal:
      return reprise::AnyPlanner(reprise::OptimalChain{});
    case Policy::min_cut:
      return reprise::AnyPlanner(reprise::MinCut{});
    case Policy::search:
      return reprise::AnyPlanner(
          reprise::LocalSearch{{.seconds = options.plan_seconds,
                                .tries = options.plan_tries,
                                .threads = static_cast<unsigned>(options.threads)}});
    case Policy::balanced:
      return reprise::AnyPlanner(reprise::Balanced{{.tries = options.plan_tries}});
    case Policy::store_all:
    case Policy::dtr:
    case Policy::dtr_eq:
      break;
  }
  return reprise::AnyPlanner(reprise::StoreAll{});
}

}  // namespace gpt
