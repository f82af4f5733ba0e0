// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Which value is kept in which form, and by whom it is made.

#include <cstddef>
#include <reprise/program/forms/form_choice.hpp>

namespace reprise::inline v0 {

/// A value that is kept in another form, which one of a store's makers makes.
struct ChosenForm {
  FormChoice choice{};    ///< the value, how it is kept, who reads it
  std::size_t maker = 0;  ///< as `Forms::add` counts them
};

}  // namespace reprise::inline v0
