// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// optimise: always

// What the suite of planners finds out: toys that offend against the concept's semantics.

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <reprise/planner/candidate_search.hpp>
#include <reprise/planner/every_nth.hpp>
#include <reprise/planner/layer_values.hpp>
#include <reprise/planner/plan.hpp>
#include <reprise/planner/planner.hpp>
#include <reprise/program/bounds.hpp>
#include <reprise/program/simulate.hpp>
#include <string>
#include <vector>

#include "support/planner_conformance.hpp"

namespace {

using reprise::CandidateSearch;
using reprise::LayerValues;
using reprise::Plan;
using reprise::PlanRequest;
using reprise::SavedSet;

SavedSet everything(const PlanRequest& request) {
  return SavedSet(request.program.values().size(), 1);
}

/// Keeps everything, or what full recomputation keeps; it keeps the rules.
struct AllOrNothing {
  Plan operator()(const PlanRequest& request) const {
    const LayerValues layers(request.program);
    CandidateSearch search(request, layers, "all-or-nothing");
    search.consider(everything(request));
    search.consider(keep_every_nth(request.program, layers, 1));
    return search.take();
  }
};

/// Takes turns.
struct ChangesItsMind {
  Plan operator()(PlanRequest request) const {
    const LayerValues layers(request.program);
    CandidateSearch search(request, layers, "changes its mind");
    const bool keeps = (*calls)++ % 2 == 0;
    search.consider(keeps ? everything(request) : keep_every_nth(request.program, layers, 1));
    return search.take();
  }
  std::shared_ptr<int> calls = std::make_shared<int>(0);
};

struct ForetellsLess : AllOrNothing {
  Plan operator()(const PlanRequest& request) const {
    Plan plan = AllOrNothing::operator()(request);
    if (plan.recomputed_cost > 0) --plan.peak_bytes;
    return plan;
  }
};

struct RecomputesForFree : AllOrNothing {
  Plan operator()(const PlanRequest& request) const {
    Plan plan = AllOrNothing::operator()(request);
    plan.recomputed_cost = 0;
    return plan;
  }
};

struct DropsTwice : AllOrNothing {
  Plan operator()(const PlanRequest& request) const {
    Plan plan = AllOrNothing::operator()(request);
    plan.schedule.actions.push_back(plan.schedule.actions.back());
    return plan;
  }
};

struct ForgetsTheBound : AllOrNothing {
  Plan operator()(const PlanRequest& request) const {
    Plan plan = AllOrNothing::operator()(request);
    plan.lower_bound_bytes = 0;
    return plan;
  }
};

struct IgnoresTheBudget : AllOrNothing {
  Plan operator()(PlanRequest request) const {
    request.budget = reprise::unlimited_bytes;
    return AllOrNothing::operator()(request);
  }
};

/// Has a plan for its smallest budget, and says that it takes a byte more.
struct NamesTooMuch : AllOrNothing {
  Plan operator()(const PlanRequest& request) const {
    try {
      return AllOrNothing::operator()(request);
    } catch (const reprise::BudgetInfeasible& refused) {
      throw reprise::BudgetInfeasible("", refused.budget_bytes(), refused.smallest_budget() + 1,
                                      refused.lower_bound_bytes());
    }
  }
};

/// The other way round.
struct NamesTooLittle : AllOrNothing {
  Plan operator()(const PlanRequest& request) const {
    try {
      return AllOrNothing::operator()(request);
    } catch (const reprise::BudgetInfeasible& refused) {
      throw reprise::BudgetInfeasible("", refused.budget_bytes(), refused.lower_bound_bytes(),
                                      refused.lower_bound_bytes());
    }
  }
};

/// Keeps all only where there is more room than that takes.
struct LeavesRoom : AllOrNothing {
  Plan operator()(PlanRequest request) const {
    if (request.budget != reprise::unlimited_bytes) request.budget -= request.budget / 16;
    return AllOrNothing::operator()(request);
  }
};

/// In an odd number of bytes takes the dearer plan, where both fit.
struct LikesEvenBudgets : AllOrNothing {
  Plan operator()(const PlanRequest& request) const {
    const LayerValues layers(request.program);
    CandidateSearch search(request, layers, "likes even budgets");
    const Plan dear = search.play(keep_every_nth(request.program, layers, 1));
    if (request.budget == reprise::unlimited_bytes || request.budget % 2 == 0 ||
        dear.peak_bytes > request.budget) {
      search.consider(everything(request));
    }
    search.consider(dear);
    return search.take();
  }
};

/// Takes even numbers of bytes only.
struct RefusesOddBudgets : AllOrNothing {
  Plan operator()(const PlanRequest& request) const {
    if (request.budget == reprise::unlimited_bytes || request.budget % 2 == 0) {
      return AllOrNothing::operator()(request);
    }
    throw reprise::BudgetInfeasible("", request.budget, request.budget + 1, 0);
  }
};

struct IgnoresOverrides : AllOrNothing {
  Plan operator()(PlanRequest request) const {
    request.overrides = {};
    return AllOrNothing::operator()(request);
  }
};

struct PlansForNobody : AllOrNothing {
  Plan operator()(PlanRequest request) const {
    request.passes_in_flight = std::max<std::size_t>(request.passes_in_flight, 1);
    return AllOrNothing::operator()(request);
  }
};

template <class P>
std::string fault_of(const P& planner) {
  const std::string fault = reprise_test::fault_of_planner(planner);
  return fault.substr(0, fault.find(" ("));
}

}  // namespace

TEST_CASE("a planner of one's own conforms by one line") {
  reprise_test::check_planner(AllOrNothing{});
}

TEST_CASE("a planner that offends against the concept's semantics is found out") {
  CHECK(fault_of(ChangesItsMind{}) == "asked twice, it plans otherwise");
  CHECK(fault_of(ForetellsLess{}) == "it foretells a peak of 35 bytes, it has 36");
  CHECK(fault_of(RecomputesForFree{}) ==
        "it foretells to recompute 0.000000, it recomputes 1.000000");
  CHECK(fault_of(DropsTwice{}).starts_with("its schedule is not valid: drop of what is absent"));
  CHECK(fault_of(ForgetsTheBound{}) == "its lower bound is 0 bytes, that of the program is 20");
  CHECK(fault_of(IgnoresTheBudget{}) == "it passes its budget of 0 bytes by 20");
  CHECK(fault_of(NamesTooMuch{}) == "it meets less than the smallest budget that it names");
  CHECK(fault_of(NamesTooLittle{}) == "it does not meet the smallest budget that it names");
  CHECK(fault_of(LeavesRoom{}) == "it does not meet the smallest budget that it names");
  CHECK(fault_of(LikesEvenBudgets{}) == "25 bytes cost more than a smaller budget");
  CHECK(fault_of(RefusesOddBudgets{}) == "it refuses 21 bytes, and not its smallest budget of 20");
  CHECK(fault_of(IgnoresOverrides{}) == "layer 0 must be recomputed and is saved");
  CHECK(fault_of(PlansForNobody{}) == "it plans for no pass");
}
