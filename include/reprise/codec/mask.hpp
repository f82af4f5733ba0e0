// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// One bit an element.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <reprise/backend/instruction_set.hpp>
#include <reprise/codec/by_widest_set.hpp>
#include <reprise/codec/code_planes.hpp>
#include <reprise/codec/codec.hpp>
#include <reprise/codec/element_lanes.hpp>
#include <reprise/codec/exactness.hpp>
#include <reprise/core/philox.hpp>
#include <span>
#include <string>

namespace reprise::inline v0 {

/// What the reader of a mask reads.
enum class MaskReads : std::uint8_t {
  value,        ///< the elements, which have one of two values: dropout's mask of 0 and 1 / (1 - p)
  is_positive,  ///< only whether they are above zero: a ReLU's input or output
};

/// One bit an element. Models Codec for float, float16 and bfloat16.
///
/// A mask that is read for its values is exact: the two bit patterns that occur, whichever they
/// are, lie in front of the bits. A third is refused (NotAMask), so that nothing is lost that was
/// not meant to be: zero and negative zero are two.
///
/// One that is read for its sign takes any elements and gives 1 where they are above zero, 0 where
/// they are not, NaNs included. It is exact for who reads `x > 0` and nothing else, as the backward
/// of a ReLU does; to others it must not be given.
///
/// Draws nothing. Linear, one pass.
template <MaskReads Reads = MaskReads::value>
struct Mask : codes::ByWidestSet<Mask<Reads>> {
  static constexpr Exactness exactness = Exactness::exact;  ///< what decoding promises
  static constexpr double bits = 1;                         ///< of an element

  /// Bytes of the code of so many elements.
  [[nodiscard]] static constexpr std::size_t encoded_bytes(std::size_t elements) noexcept {
    return elements == 0 ? 0 : values_bytes + (elements + 7) / 8;
  }

  /// Writes the code of `in`, by the instructions I: the same bits as by any others.
  /// @throws WrongCodeSize
  /// @throws NotAMask for the first element with a third value, where values are read
  template <instruction_sets::InstructionSet I, CodedElement T>
  static void encode_by(std::span<const T> in, std::span<std::byte> code,
                        const Philox& /*stream*/) {
    check_code_size(Mask{}, in.size(), code.size());
    if (in.empty()) return;
    const std::byte* const from = std::as_bytes(in).data();
    const Values values = values_of<T>(from, in.size());
    if constexpr (Reads == MaskReads::value) {
      std::memcpy(code.data(), values.data(), values_bytes);
    }
    const double strange =
        I::run(Encode<T, I>{from, in.size(), code.data() + values_bytes, values});
    if (strange >= 0) throw NotAMask(name(), third_value<T>(from, in.size(), values));
  }
  /// Writes what the code stands for, by the instructions I: the same bits as by any others.
  /// @throws WrongCodeSize
  template <instruction_sets::InstructionSet I, CodedElement T>
  static void decode_by(std::span<const std::byte> code, std::span<T> out) {
    check_code_size(Mask{}, out.size(), code.size());
    if (out.empty()) return;
    std::array<T, 2> elements{codes::to_element<T>(0), codes::to_element<T>(1)};
    if constexpr (Reads == MaskReads::value) {
      std::memcpy(&elements[0], code.data(), sizeof(T));
      std::memcpy(&elements[1], code.data() + sizeof(std::uint32_t), sizeof(T));
    }
    I::run(Decode<T, I>{code.data() + values_bytes, out.size(), std::as_writable_bytes(out).data(),
                        pattern_of(elements[0]), pattern_of(elements[1])});
  }

  /// `mask` or `mask-positive`
  [[nodiscard]] static std::string name() {
    return Reads == MaskReads::value ? "mask" : "mask-positive";
  }

 private:
  using Values = std::array<std::uint32_t, 2>;
  static constexpr std::size_t values_bytes = Reads == MaskReads::value ? sizeof(Values) : 0;

  // Bits of full groups lie as codes of one bit do, those of the last one behind each other.
  static constexpr std::size_t group = 256;
  using Planes = codes::CodePlanes<1, group>;
  using Row = codes::CodeRow<1>;

  template <CodedElement T>
  [[nodiscard]] static std::uint32_t pattern_of(T element) noexcept {
    std::uint32_t pattern = 0;
    std::memcpy(&pattern, &element, sizeof(T));
    return pattern;
  }
  template <CodedElement T>
  [[nodiscard]] static std::uint32_t pattern_at(const std::byte* from, std::size_t i) noexcept {
    return pattern_of(codes::element_at<T>(from, i));
  }

  // The first pattern, and the first other one.
  template <CodedElement T>
  [[nodiscard]] static Values values_of(const std::byte* from, std::size_t size) noexcept {
    const std::uint32_t first = pattern_at<T>(from, 0);
    if constexpr (Reads == MaskReads::value) {
      for (std::size_t i = 1; i < size; ++i) {
        if (pattern_at<T>(from, i) != first) return {first, pattern_at<T>(from, i)};
      }
    }
    return {first, first};
  }
  template <CodedElement T>
  [[nodiscard]] static std::size_t third_value(const std::byte* from, std::size_t size,
                                               const Values& values) noexcept {
    std::size_t i = 0;
    while (i < size && (pattern_at<T>(from, i) == values[0] || pattern_at<T>(from, i) == values[1]))
      ++i;
    return i;
  }

  template <CodedElement T>
  [[nodiscard]] static std::uint32_t bit_of(const std::byte* from, std::size_t i,
                                            const Values& values) noexcept {
    if constexpr (Reads == MaskReads::value) {
      return pattern_at<T>(from, i) == values[0] ? 0U : 1U;
    } else {
      return codes::to_float(codes::element_at<T>(from, i)) > 0 ? 1U : 0U;
    }
  }

  /// Encodes all: 0 if there is a third value, -1 if not.
  template <CodedElement T, instruction_sets::InstructionSet I>
  struct Encode {
    const std::byte* from;
    std::size_t size;
    std::byte* to;
    const Values& values;

    [[gnu::always_inline]] double operator()() const noexcept {
      Words strange{};
      const std::size_t groups = size / group;
      for (std::size_t g = 0; g < groups; ++g) encode_group(g, strange);
      std::uint32_t any = 0;
      for (std::size_t lane = 0; lane < lanes; ++lane) any |= strange[lane];
      std::byte* const row = to + groups * Planes::bytes;
      std::fill_n(row, Row::bytes(size % group), std::byte{0});
      for (std::size_t i = 0; i < size % group; ++i) {
        const std::size_t at = groups * group + i;
        Row::put(row, i, bit_of<T>(from, at, values));
        if constexpr (Reads == MaskReads::value) {
          const std::uint32_t pattern = pattern_at<T>(from, at);
          any |= pattern != values[0] && pattern != values[1] ? 1U : 0U;
        }
      }
      return any != 0 ? 0 : -1;
    }

   private:
    static constexpr std::size_t lanes = codes::lanes_of<I>;
    using Words = instruction_sets::Vector<std::uint32_t, lanes>;
    using Floats = instruction_sets::Vector<float, lanes>;

    [[gnu::always_inline]] void encode_group(std::size_t g, Words& strange) const noexcept {
      std::array<Words, group / lanes> found;
      for (std::size_t i = 0; i < group / lanes; ++i) {
        const std::byte* const at = from + (g * group + i * lanes) * sizeof(T);
        if constexpr (Reads == MaskReads::value) {
          Words patterns;
          load(patterns, at);
          found[i] = patterns == values[0] ? Words{} : Words{} + 1U;
          strange |= patterns == values[1] ? Words{} : found[i];
        } else {
          Floats numbers;
          codes::ElementLanes<T, I>::load(numbers, at);
          found[i] = numbers > 0 ? Words{} + 1U : Words{};
        }
      }
      Planes::template pack<lanes>(found, to + g * Planes::bytes);
    }
    [[gnu::always_inline]] static void load(Words& patterns, const std::byte* at) noexcept {
      if constexpr (sizeof(T) == sizeof(std::uint32_t)) {
        std::memcpy(&patterns, at, sizeof(patterns));
      } else {
        instruction_sets::Vector<std::uint16_t, lanes> halves;
        std::memcpy(&halves, at, sizeof(halves));
        patterns = __builtin_convertvector(halves, Words);
      }
    }
  };

  template <CodedElement T, instruction_sets::InstructionSet I>
  struct Decode {
    const std::byte* from;
    std::size_t size;
    std::byte* to;
    std::uint32_t zero;
    std::uint32_t one;

    [[gnu::always_inline]] double operator()() const noexcept {
      const std::size_t groups = size / group;
      for (std::size_t g = 0; g < groups; ++g) {
        for (std::size_t i = 0; i < group / lanes; ++i) {
          Words code;
          Planes::template unpack<lanes>(from + g * Planes::bytes, i, code);
          const Words patterns = code != 0 ? Words{} + one : Words{} + zero;
          store(patterns, to + (g * group + i * lanes) * sizeof(T));
        }
      }
      for (std::size_t i = groups * group; i < size; ++i) {
        const std::uint32_t bit = Row::at(from + groups * Planes::bytes, i - groups * group);
        const std::uint32_t pattern = bit != 0 ? one : zero;
        std::memcpy(to + i * sizeof(T), &pattern, sizeof(T));
      }
      return 0;
    }

   private:
    static constexpr std::size_t lanes = codes::lanes_of<I>;
    using Words = instruction_sets::Vector<std::uint32_t, lanes>;

    [[gnu::always_inline]] static void store(const Words& patterns, std::byte* at) noexcept {
      if constexpr (sizeof(T) == sizeof(std::uint32_t)) {
        std::memcpy(at, &patterns, sizeof(patterns));
      } else {
        using Halves = instruction_sets::Vector<std::uint16_t, lanes>;
        const Halves halves = __builtin_convertvector(patterns, Halves);
        std::memcpy(at, &halves, sizeof(halves));
      }
    }
  };
};

static_assert(CodecOf<Mask<>, float> && CodecOf<Mask<MaskReads::is_positive>, bfloat16>);

}  // namespace reprise::inline v0
