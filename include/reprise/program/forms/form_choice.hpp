// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Which value is kept in which form, and who reads it.

#include <cstddef>
#include <reprise/program/forms/bias.hpp>
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
  Bias bias = Bias::refused;  ///< whether an approximate form may bias gradients
  /// Who reads it restored. Empty: each backward that reads the value, and of an approximate form
  /// each that may (`may_read_form`), by the first restoration; of a form, all that restore from
  /// it.
  std::vector<FormRead> reads{};
};

}  // namespace reprise::inline v0
