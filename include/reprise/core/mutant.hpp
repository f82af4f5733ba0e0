// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Rules that a test breaks on purpose, to show that another test notices. No other build has them.

#include <cstdint>

namespace reprise::inline v0 {

/// A rule of the library that can be broken.
enum class Mutant : std::uint8_t {
  none,                    ///< every rule holds
  copies_uncounted,        ///< an output written again beside its first copy takes no bytes
  parts_uncounted,         ///< gradients that are added up take no bytes
  skipped_output_counted,  ///< a skipped output takes its bytes
  transient_undeclared,    ///< a forward needs nothing beside its values
  stream_not_replayed,     ///< a recompute draws other random numbers
  consumed_still_held,     ///< what an operation consumes stays
  view_source_forgotten,   ///< a value that goes takes the storage of its views along
};

#ifdef REPRISE_MUTANTS
/// The one that is broken, as the program that defines REPRISE_MUTANTS says.
[[nodiscard]] Mutant active_mutant() noexcept;
#endif

/// True where the rule is broken; never without REPRISE_MUTANTS.
[[nodiscard]] constexpr bool is_broken([[maybe_unused]] Mutant mutant) noexcept {
#ifdef REPRISE_MUTANTS
  return mutant != Mutant::none && active_mutant() == mutant;
#else
  return false;
#endif
}

}  // namespace reprise::inline v0
