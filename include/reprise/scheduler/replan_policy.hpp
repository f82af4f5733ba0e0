// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The concept of a replan policy.

#include <concepts>
#include <cstdint>

namespace reprise::inline v0 {

/// Says whether plans are due: a callable from the number of steps since that of the last plans.
template <class R>
concept ReplanPolicy = std::movable<R> && requires(const R& replan, std::uint64_t steps) {
  { replan(steps) } -> std::same_as<bool>;
};

}  // namespace reprise::inline v0
