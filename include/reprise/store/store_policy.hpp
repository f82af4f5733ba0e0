// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What a store does where room is missing.

#include <concepts>
#include <reprise/eviction/eviction_policy.hpp>
#include <reprise/store/action_event.hpp>
#include <reprise/store/online_event.hpp>
#include <reprise/store/scheduled.hpp>
#include <type_traits>

namespace reprise::inline v0 {

/// Says what a store does where room is missing: `Scheduled`, a plan has made it beforehand, or an
/// EvictionPolicy, which chooses what goes.
template <class P>
concept StorePolicy = std::same_as<P, Scheduled> || EvictionPolicy<P>;

/// Called with what happens to the values of a store: the actions of a plan, or the events of an
/// online run.
template <StorePolicy P>
using StoreObserver =
    std::conditional_t<std::same_as<P, Scheduled>, ActionObserver, OnlineObserver>;

}  // namespace reprise::inline v0
