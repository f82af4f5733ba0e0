// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What a `Checkpointed` can be made from, and what is wrong with anything else.

#include <concepts>
#include <reprise/core/layer_graph.hpp>
#include <reprise/run/checkpointed_options.hpp>
#include <reprise/scheduler/no_scheduler.hpp>
#include <reprise/scheduler/plan_scheduler.hpp>
#include <reprise/stats/statistics_tracker.hpp>
#include <reprise/store/remat_store.hpp>
#include <type_traits>

namespace reprise::inline v0 {

/// Says what is kept in a store: a PlanScheduler where it plays plans, `NoScheduler` where it
/// evicts.
template <class S, class Store>
concept SchedulerOf = (Store::evicts && std::same_as<S, NoScheduler>) ||
                      (!Store::evicts && PlanScheduler<S>);

namespace running {

template <class A>
concept IsOptions = std::same_as<std::remove_cvref_t<A>, CheckpointedOptions>;
template <class... Args>
concept AtMostOptions = sizeof...(Args) <= 1 && (IsOptions<Args> && ...);

/// Whether a `Checkpointed` is made from arguments, given as `Args&&...` deduces them.
template <class... Args>
inline constexpr bool accepts_arguments = false;
template <class G, class T, class S, class Store, class... Options>
requires LayerGraph<G> && StatisticsTracker<T> && ValueStore<Store> && SchedulerOf<S, Store> &&
    AtMostOptions<Options...>
inline constexpr bool accepts_arguments<G&, T&, S&, Store&, Options...> = true;
template <class G, class S, class Store, class... Options>
requires LayerGraph<G> && PlanScheduler<S> && ValueStore<Store> && SchedulerOf<S, Store> &&
    AtMostOptions<Options...>
inline constexpr bool accepts_arguments<G&, S&, Store&, Options...> = true;
template <class G, class Store, class... Options>
requires LayerGraph<G> && ValueStore<Store> && SchedulerOf<NoScheduler, Store> &&
    AtMostOptions<Options...>
inline constexpr bool accepts_arguments<G&, Store&, Options...> = true;

template <class A>
concept HasNoName = !std::is_lvalue_reference_v<A> && !IsOptions<A>;
template <class A>
concept IsConst = std::is_const_v<std::remove_reference_t<A>> && !IsOptions<A>;
template <class A>
concept IsStore = ValueStore<std::remove_cvref_t<A>>;
template <class A>
concept IsScheduler = PlanScheduler<std::remove_cvref_t<A>>;

template <class... Args>
inline constexpr bool has_evicting_store = false;
template <class First, class... Rest>
inline constexpr bool has_evicting_store<First, Rest...> = [] {
  if constexpr (IsStore<First>) {
    return std::remove_cvref_t<First>::evicts;
  } else {
    return has_evicting_store<Rest...>;
  }
}();

/// Says what is wrong with arguments that no `Checkpointed` is made from.
template <class First, class... Rest>
struct RefusedArguments {
  static_assert(
      !(HasNoName<First> || ... || HasNoName<Rest>),
      "Checkpointed borrows graph, tracker, scheduler and store: each needs a name of its "
      "own, which outlives it");
  static_assert(
      LayerGraph<std::remove_cvref_t<First>>,
      "the first argument of Checkpointed is the layer graph, as reprise::chain(layers) and "
      "reprise::Graph are");
  static_assert((IsStore<Rest> || ...),
                "Checkpointed needs a store, after the scheduler: RematStore store{{.budget = "
                "bytes}}; Checkpointed net{graph, tracker, scheduler, store}");
  static_assert(
      has_evicting_store<Rest...> || (IsScheduler<Rest> || ...),
      "a store without an eviction policy plays plans: hand over a scheduler, as in "
      "Checkpointed net{graph, tracker, scheduler, store}, or give the store a policy, as "
      "in RematStore store{DtrEqClass{}, {.budget = bytes}}");
  static_assert(
      !has_evicting_store<Rest...> || ((IsStore<Rest> || IsOptions<Rest>)&&...),
      "a store that evicts takes no plans and no statistics: Checkpointed net{graph, store}, "
      "or, with tracker and scheduler, a RematStore without a policy");
  static_assert(!(IsConst<First> || ... || IsConst<Rest>),
                "Checkpointed changes graph, tracker, scheduler and store: none of them is const");
  static_assert(!std::same_as<First, First>,
                "Checkpointed is made from (graph, tracker, scheduler, store), from (graph, "
                "scheduler, store) if no planner reads statistics, or from (graph, store) if the "
                "store evicts; in this order, with options last");
  using graph = First;
};

/// Diagnoses what is not accepted. Otherwise it has no member, and another deduction guide follows.
template <class... Args>
struct DiagnosedArguments {};
template <class... Args>
requires(!accepts_arguments<Args...>) struct DiagnosedArguments<Args...>
    : RefusedArguments<Args...> {
};

}  // namespace running

}  // namespace reprise::inline v0
