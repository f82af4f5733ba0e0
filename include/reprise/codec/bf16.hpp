// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The upper half of a float.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <reprise/backend/bfloat16.hpp>
#include <reprise/backend/instruction_set.hpp>
#include <reprise/codec/by_widest_set.hpp>
#include <reprise/codec/codec.hpp>
#include <reprise/codec/element_lanes.hpp>
#include <reprise/codec/exactness.hpp>
#include <reprise/core/philox.hpp>
#include <span>
#include <string>
#include <type_traits>

namespace reprise::inline v0 {

/// Two bytes an element: the nearest bfloat16, ties to even. Models Codec for float, float16 and
/// bfloat16, of which the last is kept exactly.
///
/// The relative error is 2^-9 at most, 2^-8 above the largest bfloat16, where what is finite stays
/// so; below 2^-126 the error is 2^-134. Infinities come back as they were, NaNs as NaNs.
/// Draws nothing. Linear, one pass.
struct Bf16 : codes::ByWidestSet<Bf16> {
  static constexpr Exactness exactness = Exactness::biased;  ///< what decoding promises
  /// The same of elements of type T.
  template <CodedElement T>
  static constexpr Exactness exactness_of =
      std::is_same_v<T, bfloat16> ? Exactness::exact : Exactness::biased;
  static constexpr double bits = 16;  ///< of an element

  /// Bytes of the code of so many elements.
  [[nodiscard]] static constexpr std::size_t encoded_bytes(std::size_t elements) noexcept {
    return elements * sizeof(bfloat16);
  }

  /// Writes the code of `in`, by the instructions I: the same bits as by any others.
  /// @throws WrongCodeSize
  template <instruction_sets::InstructionSet I, CodedElement T>
  static void encode_by(std::span<const T> in, std::span<std::byte> code,
                        const Philox& /*stream*/) {
    check_code_size(Bf16{}, in.size(), code.size());
    if (in.empty()) return;
    if constexpr (std::is_same_v<T, bfloat16>) {
      std::memcpy(code.data(), in.data(), code.size());
    } else {
      I::run(Encode<T, I>{std::as_bytes(in).data(), code.data(), in.size()});
    }
  }
  /// Writes what the code stands for, by the instructions I: the same bits as by any others.
  /// @throws WrongCodeSize
  template <instruction_sets::InstructionSet I, CodedElement T>
  static void decode_by(std::span<const std::byte> code, std::span<T> out) {
    check_code_size(Bf16{}, out.size(), code.size());
    if (out.empty()) return;
    if constexpr (std::is_same_v<T, bfloat16>) {
      std::memcpy(out.data(), code.data(), code.size());
    } else {
      I::run(Decode<T, I>{code.data(), std::as_writable_bytes(out).data(), out.size()});
    }
  }

  /// `bf16`
  [[nodiscard]] static std::string name() { return "bf16"; }

 private:
  template <CodedElement T, instruction_sets::InstructionSet I>
  struct Encode {
    const std::byte* from;
    std::byte* to;
    std::size_t size;

    [[gnu::always_inline]] double operator()() const noexcept {
      std::size_t i = 0;
      if constexpr (std::is_same_v<T, float>) {
        for (; i + lanes <= size; i += lanes) encode_lanes(from + i * sizeof(float), to + i * 2);
      }
      for (; i < size; ++i) {
        codes::put_element(to, i, nearest_finite(codes::element_at<T>(from, i)));
      }
      return 0;
    }

   private:
    static constexpr std::size_t lanes = codes::lanes_of<I>;
    using Words = instruction_sets::Vector<std::uint32_t, lanes>;
    using Halves = instruction_sets::Vector<std::uint16_t, lanes>;

    // `nearest_finite` of all lanes.
    [[gnu::always_inline]] static void encode_lanes(const std::byte* floats,
                                                    std::byte* halves) noexcept {
      Words patterns;
      std::memcpy(&patterns, floats, sizeof(patterns));
      const Words magnitude = patterns & 0x7FFF'FFFFU;
      const Words upper = patterns >> 16U;
      Words near = (patterns + (0x7FFFU + (upper & 1U))) >> 16U;
      near = magnitude >= 0x7F7F'8000U ? near - 1U : near;
      near = magnitude == 0x7F80'0000U ? upper : near;
      near = magnitude > 0x7F80'0000U ? upper | 0x40U : near;
      const Halves code = __builtin_convertvector(near, Halves);
      std::memcpy(halves, &code, sizeof(code));
    }
  };

  template <CodedElement T, instruction_sets::InstructionSet I>
  struct Decode {
    const std::byte* from;
    std::byte* to;
    std::size_t size;

    [[gnu::always_inline]] double operator()() const noexcept {
      std::size_t i = 0;
      if constexpr (std::is_same_v<T, float>) {
        constexpr std::size_t lanes = codes::lanes_of<I>;
        for (; i + lanes <= size; i += lanes) {
          instruction_sets::Vector<float, lanes> numbers;
          codes::ElementLanes<bfloat16, I>::load(numbers, from + i * sizeof(bfloat16));
          codes::ElementLanes<float, I>::store(to + i * sizeof(float), numbers);
        }
      }
      for (; i < size; ++i) {
        codes::put_element(to, i, as<T>(codes::element_at<bfloat16>(from, i)));
      }
      return 0;
    }
  };

  template <CodedElement T>
  [[nodiscard]] static constexpr bfloat16 nearest_finite(T element) noexcept {
    const float value = codes::to_float(element);
    const bfloat16 near = bfloat16::from_float(value);
    const bool has_overflown = (near.bits & 0x7FFFU) == 0x7F80U &&
                               (std::bit_cast<std::uint32_t>(value) & 0x7FFF'FFFFU) != 0x7F80'0000U;
    return {static_cast<std::uint16_t>(near.bits - (has_overflown ? 1U : 0U))};
  }
  // Halves of halves: what was rounded up beyond the largest half goes back to it.
  template <CodedElement T>
  [[nodiscard]] static constexpr T as(bfloat16 code) noexcept {
    const auto value = static_cast<float>(code);
    if constexpr (std::is_same_v<T, float>) {
      return value;
    } else {
      const bool is_finite = (code.bits & 0x7F80U) != 0x7F80U;
      return is_finite ? codes::to_element<T>(static_cast<double>(value)) : T::from_float(value);
    }
  }
};

static_assert(CodecOf<Bf16, float> && exactness_of<Bf16, bfloat16> == Exactness::exact);

}  // namespace reprise::inline v0
