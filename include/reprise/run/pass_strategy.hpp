// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What decides how the passes over a store run.

#include <concepts>
#include <cstdint>
#include <reprise/run/lowered_shape.hpp>
#include <reprise/run/run_report.hpp>
#include <reprise/run/run_state.hpp>
#include <reprise/stats/no_tracker.hpp>

namespace reprise::inline v0::running {

/// Decides how the passes over a store of one kind run: a choice for each pass, which its player
/// takes.
///
/// Only the strategy and its player look into a choice, so that a further way to keep values, such
/// as compressed or in other memory, is a further strategy: its choice says how, and its player
/// does it.
template <class S>
concept PassStrategy = requires(S& strategy, const S& constant, NoTracker& tracker,
                                const LoweredShape& shape, const typename S::store_type& store,
                                const typename S::choice_type& choice, RunState& state,
                                RunReport& report) {
  typename S::player_type;
  strategy.begin_step(tracker, std::uint64_t{});
  { strategy.choose(shape, store, state) } -> std::same_as<typename S::choice_type>;
  { constant.choose_keeping_all(shape, store) } -> std::same_as<typename S::choice_type>;
  { S::without_budget(store) } -> std::same_as<typename S::store_type>;
  constant.note(choice, report);
  strategy.forget(shape);
  strategy.outgrow(shape);
  { constant.holds_plans() } -> std::same_as<bool>;
};

}  // namespace reprise::inline v0::running
