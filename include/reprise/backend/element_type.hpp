// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The element types that gradients may have.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <reprise/backend/bfloat16.hpp>
#include <reprise/backend/float16.hpp>
#include <type_traits>

namespace reprise::inline v0 {

/// What the elements of a type-erased tensor are.
enum class ElementType : std::uint8_t {
  float32,   ///< `float`
  float64,   ///< `double`
  float16,   ///< half precision, `reprise::float16`
  bfloat16,  ///< the upper half of a `float`, `reprise::bfloat16`
};

/// A type that has an ElementType: `float`, `double`, `float16` or `bfloat16`, const or not.
template <class T>
concept Element = std::same_as < std::remove_cv_t<T>,
float > || std::same_as<std::remove_cv_t<T>, double> ||
    std::same_as<std::remove_cv_t<T>, float16> || std::same_as<std::remove_cv_t<T>, bfloat16>;

/// The ElementType of a C++ type.
template <Element T>
inline constexpr ElementType element_type_of =
    std::is_same_v<std::remove_cv_t<T>, float>     ? ElementType::float32
    : std::is_same_v<std::remove_cv_t<T>, double>  ? ElementType::float64
    : std::is_same_v<std::remove_cv_t<T>, float16> ? ElementType::float16
                                                   : ElementType::bfloat16;

/// Bytes of one element, which is its alignment as well; zero for a value outside the enumeration.
[[nodiscard]] constexpr std::size_t element_bytes(ElementType type) noexcept {
  switch (type) {
    case ElementType::float32:
      return sizeof(float);
    case ElementType::float64:
      return sizeof(double);
    case ElementType::float16:
    case ElementType::bfloat16:
      return sizeof(std::uint16_t);
  }
  return 0;
}

/// Calls `f(T{})` with the C++ type that `type` stands for, and returns what `f` returns.
template <class F>
constexpr decltype(auto) with_element_type(ElementType type, F&& f) {
  switch (type) {
    case ElementType::float64:
      return f(double{});
    case ElementType::float16:
      return f(float16{});
    case ElementType::bfloat16:
      return f(bfloat16{});
    case ElementType::float32:
      break;
  }
  return f(float{});
}

}  // namespace reprise::inline v0
