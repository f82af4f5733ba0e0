// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The choice of instructions for codecs, when the program runs.

#include <reprise/backend/instruction_set.hpp>
#include <tuple>

namespace reprise::inline v0::codes {

/// Calls `f` with the widest set of instructions that this machine has.
template <class F>
void with_widest_set(const F& f) {
  const auto call_with = [&f]<instruction_sets::InstructionSet I>(I set) {
    if (!I::is_available()) return false;
    f(set);
    return true;
  };
  std::apply([&](auto... sets) { static_cast<void>((call_with(sets) || ...)); },
             instruction_sets::All{});
}

}  // namespace reprise::inline v0::codes
