// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Whether approximate values may bias gradients.

#include <cstdint>
#include <reprise/codec/exactness.hpp>
#include <reprise/program/operation.hpp>
#include <reprise/program/value.hpp>

namespace reprise::inline v0 {

/// Whether the expectation of gradients may be another one than without forms.
enum class Bias : std::uint8_t {
  refused,  ///< unbiased codes only, and only where gradients are linear in what is kept
  allowed,  ///< any code that a backward tolerates
};

/// Whether a backward may read a value in a form.
[[nodiscard]] inline bool may_read_form(const Operation& op, value_id value, Exactness exactness,
                                        Bias bias) noexcept {
  if (exactness == Exactness::exact) return true;
  if (bias == Bias::allowed) return op.tolerates_read(value);
  return exactness == Exactness::unbiased && op.is_linear_in(value);
}

/// What gradients are when an operation reads a value in a form that it may read.
[[nodiscard]] inline Exactness gradient_exactness(const Operation& op, value_id value,
                                                  Exactness exactness) noexcept {
  if (exactness == Exactness::unbiased && !op.is_linear_in(value)) return Exactness::biased;
  return exactness;
}

}  // namespace reprise::inline v0
