// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// From a store's policy to what decides how the passes over it run.

#include <reprise/core/layer_graph.hpp>
#include <reprise/run/evicting_strategy.hpp>
#include <reprise/run/pass_strategy.hpp>
#include <reprise/run/planned_strategy.hpp>
#include <reprise/store/remat_store.hpp>

namespace reprise::inline v0::running {

/// The PassStrategy over a store of a policy: one that evicts runs operation by operation,
template <LayerGraph G, class Scheduler, ValueStore Store, bool evicts = Store::evicts>
struct StrategyOver {
  using type = EvictingStrategy<G, Store>;
};
/// and a plan is played action by action.
template <LayerGraph G, class Scheduler, ValueStore Store>
struct StrategyOver<G, Scheduler, Store, false> {
  using type = PlannedStrategy<G, Scheduler, Store>;
};

/// The PassStrategy over a store.
template <LayerGraph G, class Scheduler, ValueStore Store>
using strategy_over = typename StrategyOver<G, Scheduler, Store>::type;

}  // namespace reprise::inline v0::running
