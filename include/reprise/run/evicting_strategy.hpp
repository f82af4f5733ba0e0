// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Passes that evict values as room is needed.

#include <cstdint>
#include <reprise/core/layer_graph.hpp>
#include <reprise/eviction/eviction_policy.hpp>
#include <reprise/run/evicting_player.hpp>
#include <reprise/run/lowered_shape.hpp>
#include <reprise/run/pass_strategy.hpp>
#include <reprise/run/run_report.hpp>
#include <reprise/run/run_state.hpp>
#include <reprise/scheduler/no_scheduler.hpp>
#include <reprise/stats/statistics_tracker.hpp>
#include <reprise/store/remat_store.hpp>

namespace reprise::inline v0::running {

/// Leaves what is kept to the eviction policy of the store: nothing is planned, remembered or read
/// from statistics. A PassStrategy.
template <LayerGraph G, ValueStore Store>
class EvictingStrategy {
 public:
  using store_type = Store;                         ///< holds the values of passes
  using player_type = EvictingPlayer<G, Store>;     ///< plays a pass
  using choice_type = typename Store::policy_type;  ///< chooses what goes

  /// There is nobody to ask for plans.
  explicit EvictingStrategy(NoScheduler /*scheduler*/) noexcept {}

  /// Reads nothing.
  template <StatisticsTracker Tracker>
  void begin_step(const Tracker& /*tracker*/, std::uint64_t /*step*/) const noexcept {}

  /// The policy of the store, whatever the shape.
  [[nodiscard]] choice_type choose(const LoweredShape& /*shape*/, const store_type& store,
                                   const RunState& /*state*/) const {
    return store.policy();
  }

  /// The same: a policy evicts nothing in a store `without_budget`.
  [[nodiscard]] choice_type choose_keeping_all(const LoweredShape& /*shape*/,
                                               const store_type& store) const {
    return store.policy();
  }

  /// A store like another one, without an end to its budget.
  [[nodiscard]] static store_type without_budget(const store_type& store) {
    return store_type(store.policy(), store.forms());
  }

  /// Nothing was predicted.
  void note(const choice_type& /*policy*/, RunReport& /*report*/) const noexcept {}

  /// A policy is of no shape.
  void forget(const LoweredShape& /*shape*/) const noexcept {}

  /// Room is made for what an operation makes, however much it was to be.
  void outgrow(const LoweredShape& /*shape*/) const noexcept {}

  /// There are none.
  [[nodiscard]] bool holds_plans() const noexcept { return false; }
};

}  // namespace reprise::inline v0::running
