// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Floats of eight bits, with a scale for each group of elements.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
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

namespace codes {

/// The format e4m3 of open compute: 1 sign, 4 exponent and 3 fraction bits, 448 the largest, no
/// infinities.
struct E4m3 {
  std::uint8_t bits;  ///< sign, exponent and fraction, from the top

  /// The largest number.
  static constexpr float most = 448.0F;

  /// The nearest to a number of at most 448 in magnitude, ties to even.
  [[nodiscard]] static constexpr E4m3 from_float(float value) noexcept {
    const auto pattern = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t magnitude = pattern & 0x7FFF'FFFFU;
    // Below 2^-6 a multiple of 2^-9, which is 2^14's unit in the last place.
    const std::uint32_t small =
        std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0x1p14F) -
        std::bit_cast<std::uint32_t>(0x1p14F);
    const std::uint32_t normal =
        (magnitude + 0x7FFFFU + ((magnitude >> 20U) & 1U) - (120U << 23U)) >> 20U;
    const std::uint32_t rounded = magnitude < 0x3C80'0000U ? small : normal;
    return {static_cast<std::uint8_t>(rounded | ((pattern >> 24U) & 0x80U))};
  }

  /// The value, exactly; one for which the format has none becomes 480.
  [[nodiscard]] constexpr explicit operator float() const noexcept {
    const std::uint32_t magnitude = bits & 0x7FU;
    const float small = static_cast<float>(magnitude) * 0x1p-9F;
    const auto normal = std::bit_cast<float>((magnitude << 20U) + (120U << 23U));
    const float value = magnitude < 8 ? small : normal;
    return (bits & 0x80U) != 0 ? -value : value;
  }
};

}  // namespace codes

/// A float of eight bits (e4m3) an element, the nearest, and a power of two for each group, the
/// smallest with which its largest element is at most 448 of it. Models Codec for float, float16
/// and bfloat16.
///
/// An element x comes back within 2^-4 |x|, 2^-17 of its group's largest or 2^-136, whichever is
/// most, and what T rounds off. Always finite; zeros are exact.
///
/// Elements that are not finite are refused (NotFinite). Draws nothing. Linear; the elements are
/// read twice, a group at a time.
/// @tparam Group elements that share a scale: 128 or 256
template <std::size_t Group = 256>
requires(Group == 128 || Group == 256) struct Fp8 : codes::ByWidestSet<Fp8<Group>> {
  static constexpr Exactness exactness = Exactness::biased;  ///< what decoding promises
  static constexpr double bits = 8 + 8.0 / Group;            ///< of an element, with its scale

  /// Bytes of the code of so many elements.
  [[nodiscard]] static constexpr std::size_t encoded_bytes(std::size_t elements) noexcept {
    return elements + groups_of(elements);
  }

  /// Writes the code of `in`, by the instructions I: the same bits as by any others.
  /// @throws WrongCodeSize
  /// @throws NotFinite for the first element that is not finite
  template <instruction_sets::InstructionSet I, CodedElement T>
  static void encode_by(std::span<const T> in, std::span<std::byte> code,
                        const Philox& /*stream*/) {
    check_code_size(Fp8{}, in.size(), code.size());
    const double strange = I::run(
        Encode<T>{std::as_bytes(in).data(), in.size(), code.data(), code.data() + in.size()});
    if (strange >= 0) throw NotFinite(name(), static_cast<std::size_t>(strange));
  }
  /// Writes what the code stands for, by the instructions I: the same bits as by any others.
  /// @throws WrongCodeSize
  template <instruction_sets::InstructionSet I, CodedElement T>
  static void decode_by(std::span<const std::byte> code, std::span<T> out) {
    check_code_size(Fp8{}, out.size(), code.size());
    I::run(Decode<T>{code.data(), code.data() + out.size(), out.size(),
                     std::as_writable_bytes(out).data()});
  }

  /// For example `fp8-256`.
  [[nodiscard]] static std::string name() { return "fp8-" + std::to_string(Group); }

 private:
  [[nodiscard]] static constexpr std::size_t groups_of(std::size_t elements) noexcept {
    return elements / Group + (elements % Group == 0 ? 0 : 1);
  }

  // The exponent field of the group's scale, and of one over it: neither is ever subnormal.
  [[nodiscard]] static constexpr std::uint32_t scale_of(std::uint32_t magnitude) noexcept {
    const std::uint32_t exponent = magnitude >> 23U;
    const std::uint32_t above = (magnitude & 0x7F'FFFFU) > 0x60'0000U ? 1U : 0U;  // 448 is 1.75 2^8
    return std::max(exponent + above, 9U) - 8U;
  }

  template <CodedElement T>
  struct Encode {
    const std::byte* in;
    std::size_t size;
    std::byte* codes_of_elements;
    std::byte* scales;

    [[gnu::always_inline]] double operator()() const noexcept {
      for (std::size_t at = 0; at < size; at += Group) {
        const std::size_t end = std::min(at + Group, size);
        std::uint32_t most = 0;
        for (std::size_t i = at; i < end; ++i) most = std::max(most, magnitude_of(i));
        if (most >= 0x7F80'0000U) return static_cast<double>(first_strange(at));
        const std::uint32_t scale = scale_of(most);
        scales[at / Group] = static_cast<std::byte>(scale);
        const auto per_scale = std::bit_cast<float>((254U - scale) << 23U);
        for (std::size_t i = at; i < end; ++i) {
          codes_of_elements[i] =
              static_cast<std::byte>(codes::E4m3::from_float(number(i) * per_scale).bits);
        }
      }
      return -1;
    }

   private:
    [[gnu::always_inline]] float number(std::size_t i) const noexcept {
      return codes::to_float(codes::element_at<T>(in, i));
    }
    [[gnu::always_inline]] std::uint32_t magnitude_of(std::size_t i) const noexcept {
      return std::bit_cast<std::uint32_t>(number(i)) & 0x7FFF'FFFFU;
    }
    [[nodiscard]] std::size_t first_strange(std::size_t i) const noexcept {
      while (magnitude_of(i) < 0x7F80'0000U) ++i;
      return i;
    }
  };

  template <CodedElement T>
  struct Decode {
    const std::byte* codes_of_elements;
    const std::byte* scales;
    std::size_t size;
    std::byte* out;

    [[gnu::always_inline]] double operator()() const noexcept {
      for (std::size_t at = 0; at < size; at += Group) {
        const auto field = static_cast<std::uint32_t>(scales[at / Group]);
        const auto scale = std::bit_cast<float>(field << 23U);
        const std::size_t end = std::min(at + Group, size);
        for (std::size_t i = at; i < end; ++i) {
          const codes::E4m3 code{static_cast<std::uint8_t>(codes_of_elements[i])};
          codes::put_element(out, i, element(static_cast<float>(code) * scale));
        }
      }
      return 0;
    }

   private:
    [[gnu::always_inline]] static T element(float value) noexcept {
      constexpr float most = codes::largest<T>;
      const float below = value > most ? most : value;
      const float finite = below < -most ? -most : below;
      if constexpr (std::is_same_v<T, float>) {
        return finite;
      } else {
        return T::from_float(finite);
      }
    }
  };
};

static_assert(CodecOf<Fp8<>, float>);

}  // namespace reprise::inline v0
