// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// One bit an element.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
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
struct Mask {
  static constexpr Exactness exactness = Exactness::exact;  ///< what decoding promises
  static constexpr double bits = 1;                         ///< of an element

  /// Bytes of the code of so many elements.
  [[nodiscard]] static constexpr std::size_t encoded_bytes(std::size_t elements) noexcept {
    return elements == 0 ? 0 : values_bytes + (elements + 7) / 8;
  }

  /// Writes the code of `in`. @throws WrongCodeSize
  /// @throws NotAMask for the first element with a third value, where values are read
  template <CodedElement T>
  static void encode(std::span<const T> in, std::span<std::byte> code, const Philox& /*stream*/) {
    check_code_size(Mask{}, in.size(), code.size());
    if (in.empty()) return;
    const std::byte* const from = std::as_bytes(in).data();
    const Values values = values_of<T>(from, in.size());
    if constexpr (Reads == MaskReads::value) {
      std::memcpy(code.data(), values.data(), values_bytes);
    }
    std::byte* const to = code.data() + values_bytes;
    for (std::size_t at = 0; at < in.size(); at += 8) {
      const std::size_t count = in.size() - at < 8 ? in.size() - at : 8;
      std::uint32_t eight = 0;
      for (std::size_t i = 0; i < count; ++i) {
        eight |= bit_of<T>(from, at + i, values) << i;
      }
      to[at / 8] = static_cast<std::byte>(eight);
    }
  }

  /// Writes what the code stands for. @throws WrongCodeSize
  template <CodedElement T>
  static void decode(std::span<const std::byte> code, std::span<T> out) {
    check_code_size(Mask{}, out.size(), code.size());
    if (out.empty()) return;
    std::array<T, 2> elements{codes::to_element<T>(0), codes::to_element<T>(1)};
    if constexpr (Reads == MaskReads::value) {
      std::memcpy(&elements[0], code.data(), sizeof(T));
      std::memcpy(&elements[1], code.data() + sizeof(std::uint32_t), sizeof(T));
    }
    const std::byte* const from = code.data() + values_bytes;
    std::byte* const to = std::as_writable_bytes(out).data();
    for (std::size_t i = 0; i < out.size(); ++i) {
      const auto eight = static_cast<std::uint32_t>(from[i / 8]);
      codes::put_element(to, i, elements[(eight >> (i % 8)) & 1U]);
    }
  }

  /// `mask` or `mask-positive`
  [[nodiscard]] static std::string name() {
    return Reads == MaskReads::value ? "mask" : "mask-positive";
  }

 private:
  using Values = std::array<std::uint32_t, 2>;
  static constexpr std::size_t values_bytes = Reads == MaskReads::value ? sizeof(Values) : 0;

  template <CodedElement T>
  [[nodiscard]] static std::uint32_t pattern_at(const std::byte* from, std::size_t i) noexcept {
    std::uint32_t pattern = 0;
    const T element = codes::element_at<T>(from, i);
    std::memcpy(&pattern, &element, sizeof(T));
    return pattern;
  }

  // The first pattern, and the first other one.
  template <CodedElement T>
  [[nodiscard]] static Values values_of(const std::byte* from, std::size_t size) {
    const std::uint32_t first = pattern_at<T>(from, 0);
    Values values{first, first};
    if constexpr (Reads == MaskReads::value) {
      for (std::size_t i = 0; i < size; ++i) {
        const std::uint32_t pattern = pattern_at<T>(from, i);
        if (pattern == values[0] || pattern == values[1]) continue;
        if (values[0] != values[1]) throw NotAMask(name(), i);
        values[1] = pattern;
      }
    }
    return values;
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
};

static_assert(CodecOf<Mask<>, float> && CodecOf<Mask<MaskReads::is_positive>, bfloat16>);

}  // namespace reprise::inline v0
