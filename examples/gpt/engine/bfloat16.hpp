// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The engine's 16-bit element.

#include <reprise/backend/bfloat16.hpp>
#include <type_traits>

namespace gpt {

/// `reprise::bfloat16` for code that is written for floats, on every device: it reads as the float
/// that it is, and takes the nearest number to what is assigned, ties to even. Between a read and
/// an assignment all arithmetic is a float's.
struct Bfloat16 : reprise::bfloat16 {
  /// Uninitialised, as a float is.
  Bfloat16() = default;
  constexpr Bfloat16(float value) noexcept : reprise::bfloat16(from_float(value)) {}

  constexpr operator float() const noexcept { return reprise::bfloat16::operator float(); }

  constexpr Bfloat16& operator+=(float value) noexcept { return *this = *this + value; }
  constexpr Bfloat16& operator*=(float value) noexcept { return *this = *this * value; }
};

static_assert(sizeof(Bfloat16) == 2 && std::is_trivially_copyable_v<Bfloat16>);
static_assert(std::is_trivially_default_constructible_v<Bfloat16>);

}  // namespace gpt
