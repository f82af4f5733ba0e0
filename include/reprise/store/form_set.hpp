// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// In what other ways a store keeps values.

#include <concepts>
#include <reprise/program/program.hpp>
#include <reprise/store/chosen_form.hpp>
#include <vector>

namespace reprise::inline v0 {

/// `choose(program)` says which values of a program are kept in which form: `NoForms` or `Forms`.
/// `chooses()` is false while it says none for any: tensors of a saved state are then kept
/// together. Asked of equal programs it answers the same. Copies share what makes the forms.
template <class F>
concept FormSet = std::copyable<F> && requires(const F& forms, const Program& program) {
  { forms.choose(program) } -> std::same_as<std::vector<ChosenForm>>;
  { forms.chooses() } -> std::same_as<bool>;
};

}  // namespace reprise::inline v0
