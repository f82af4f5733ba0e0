// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Elements of any type, to registers of floats and back.

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <reprise/backend/element_type.hpp>
#include <reprise/backend/instruction_set.hpp>
#include <reprise/codec/codec.hpp>
#include <type_traits>

namespace reprise::inline v0::codes {

/// Numbers that a codec works on at once: a register of I, but eight at least.
template <instruction_sets::InstructionSet I>
inline constexpr std::size_t lanes_of = I::template lanes<float> < 8 ? 8 : I::template lanes<float>;

/// The largest finite element.
template <CodedElement T>
inline constexpr float largest = std::is_same_v<T, float16>    ? 65504.0F
                                 : std::is_same_v<T, bfloat16> ? 0x1.FEp127F
                                                               : std::numeric_limits<float>::max();

/// One element as a float.
template <CodedElement T>
[[nodiscard]] constexpr float to_float(T element) noexcept {
  return static_cast<float>(element);
}

/// The nearest finite element; NaNs stay.
template <CodedElement T>
[[nodiscard]] constexpr T to_element(double value) noexcept {
  constexpr auto most = static_cast<double>(largest<T>);
  const double finite = value > most ? most : value < -most ? -most : value;
  if constexpr (std::is_same_v<T, float>) {
    return static_cast<float>(finite);
  } else {
    return T::from_float(static_cast<float>(finite));
  }
}

/// The element with a number, at any address.
template <CodedElement T>
[[nodiscard]] inline T element_at(const std::byte* elements, std::size_t i) noexcept {
  T element;
  std::memcpy(&element, elements + i * sizeof(T), sizeof(T));
  return element;
}

/// Puts down an element, at any address.
template <CodedElement T>
inline void put_element(std::byte* elements, std::size_t i, T element) noexcept {
  std::memcpy(elements + i * sizeof(T), &element, sizeof(T));
}

/// Registers of W floats.
template <CodedElement T, instruction_sets::InstructionSet I, std::size_t W = lanes_of<I>>
struct ElementLanes {
  using Floats = instruction_sets::Vector<float, W>;          ///< a register of numbers
  using Words = instruction_sets::Vector<std::uint32_t, W>;   ///< a register of their bits
  using Halves = instruction_sets::Vector<std::uint16_t, W>;  ///< half a register

  /// `to` becomes W elements at any address.
  [[gnu::always_inline]] static void load(Floats& to, const std::byte* from) noexcept {
    if constexpr (std::is_same_v<T, float>) {
      std::memcpy(&to, from, sizeof(to));
    } else if constexpr (std::is_same_v<T, bfloat16>) {
      Halves halves;
      std::memcpy(&halves, from, sizeof(halves));
      const Words bits = __builtin_convertvector(halves, Words) << 16U;
      std::memcpy(&to, &bits, sizeof(to));
    } else if constexpr (I::template lanes<float> == W) {
      I::widen(to, from);
    } else {
      for (std::size_t i = 0; i < W; ++i) to[i] = to_float(element_at<T>(from, i));
    }
  }

  /// W elements at any address become the nearest to `from`, which must be in float's range.
  [[gnu::always_inline]] static void store(std::byte* to, const Floats& from) noexcept {
    if constexpr (std::is_same_v<T, float>) {
      std::memcpy(to, &from, sizeof(from));
    } else if constexpr (std::is_same_v<T, bfloat16>) {
      Words bits;
      std::memcpy(&bits, &from, sizeof(bits));
      bits = (bits + (0x7FFFU + ((bits >> 16U) & 1U))) >> 16U;
      const Halves halves = __builtin_convertvector(bits, Halves);
      std::memcpy(to, &halves, sizeof(halves));
    } else {
      Floats finite = from > largest<T> ? Floats{} + largest<T> : from;
      finite = finite < -largest<T> ? Floats{} - largest<T> : finite;
      if constexpr (I::template lanes<float> == W) {
        I::narrow(to, finite);
      } else {
        for (std::size_t i = 0; i < W; ++i) put_element(to, i, T::from_float(finite[i]));
      }
    }
  }
};

}  // namespace reprise::inline v0::codes
