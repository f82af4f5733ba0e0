// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Which value is kept in which form, and who reads it.

#include <cstddef>
#include <reprise/program/forms/form_option.hpp>
#include <reprise/program/operation.hpp>
#include <reprise/program/value.hpp>
#include <vector>

namespace reprise::inline v0 {

/// An operation that is to read what is restored, in place of the value itself.
struct FormRead {
  operation_id reader = 0;      ///< that reads the value
  std::size_t restoration = 0;  ///< of `FormOption::restorations`
};

/// A value that is kept in another form.
struct FormChoice {
  value_id value = 0;   ///< an output, a saved state, or a form itself; not given, no gradient
  FormOption option{};  ///< how it is kept
  /// Who reads it restored. Empty: each backward that reads the value, and of an approximate form
  /// each that tolerates it, by the first restoration; of a form, all that restore from it.
  std::vector<FormRead> reads{};
};

}  // namespace reprise::inline v0
