// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Which value is kept in which form, and by whom it is made.

#include <cstddef>
#include <reprise/program/forms/form_choice.hpp>
#include <span>
#include <vector>

namespace reprise::inline v0 {

/// A value that is kept in another form, which one of a store's makers makes.
struct ChosenForm {
  FormChoice choice{};    ///< the value, how it is kept, who reads it
  std::size_t maker = 0;  ///< as `Forms::add` counts them
};

/// What `with_forms` is told of them, in their order.
[[nodiscard]] inline std::vector<FormChoice> choices_of(std::span<const ChosenForm> chosen) {
  std::vector<FormChoice> choices;
  choices.reserve(chosen.size());
  for (const ChosenForm& form : chosen) choices.push_back(form.choice);
  return choices;
}

}  // namespace reprise::inline v0
