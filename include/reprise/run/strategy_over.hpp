// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// From a store's policy to what decides how the passes over it run.

#include <reprise/core/layer_graph.hpp>
#include <reprise/run/evicting_strategy.hpp>
#include <reprise/run/pass_strategy.hpp>
#include <reprise/run/planned_strategy.hpp>
#include <reprise/store/scheduled.hpp>
#include <reprise/store/store_policy.hpp>

namespace reprise::inline v0::running {

/// The PassStrategy over a store of a policy: one that evicts runs operation by operation,
template <LayerGraph G, class Scheduler, StorePolicy P>
struct StrategyOver {
  using type = EvictingStrategy<G, P>;
};
/// and a plan is played action by action.
template <LayerGraph G, class Scheduler>
struct StrategyOver<G, Scheduler, Scheduled> {
  using type = PlannedStrategy<G, Scheduler>;
};

/// The PassStrategy over a store.
template <LayerGraph G, class Scheduler, class Store>
using strategy_over = typename StrategyOver<G, Scheduler, typename Store::policy_type>::type;

}  // namespace reprise::inline v0::running
