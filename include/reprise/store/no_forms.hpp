// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A store that keeps values as they are.

#include <reprise/program/program.hpp>
#include <reprise/store/chosen_form.hpp>
#include <vector>

namespace reprise::inline v0 {

/// Nothing is kept in another form.
struct NoForms {
  /// No aggregate: braces around a store's options are not its forms.
  constexpr NoForms() noexcept = default;

  /// Nobody does.
  [[nodiscard]] static constexpr bool chooses() noexcept { return false; }
  /// None.
  [[nodiscard]] std::vector<ChosenForm> choose(const Program& /*program*/) const { return {}; }
};

}  // namespace reprise::inline v0
