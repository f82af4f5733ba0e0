// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Two independent roundings of each element, in one bit more than one of them takes.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <reprise/backend/instruction_set.hpp>
#include <reprise/codec/by_widest_set.hpp>
#include <reprise/codec/codec.hpp>
#include <reprise/codec/exactness.hpp>
#include <reprise/codec/quantized_groups.hpp>
#include <reprise/codec/widest_set.hpp>
#include <reprise/core/philox.hpp>
#include <span>
#include <string>

namespace reprise::inline v0 {

/// Two independent stochastic roundings of each element, each as `Quantize<Bits>` makes it on the
/// same grid, in `Bits + 1` bits: for a backward that multiplies a tensor with itself, where one
/// rounding would be squared. Models Codec for float, float16 and bfloat16.
///
/// What is kept is the sum of the two. Both are next to the element, so that an even sum says that
/// they are equal, and an odd one that they differ: then a coin of the stream says which came
/// first. Given the sum either order was as likely, so that `decode_first` and `decode_second` are
/// independent of one another, and each is distributed as one rounding; both must be given the
/// stream that encode was given. `decode` gives their mean, with half the variance.
///
/// Each of the three is unbiased, within the errors of `Quantize<Bits>`. Elements that are not
/// finite are refused (NotFinite). Linear.
/// @tparam Bits  of one rounding: 1, 2, 3, 4 or 8
/// @tparam Group elements that share a grid: 128 or 256
template <std::size_t Bits, std::size_t Group = 256>
requires((Bits <= 4 && Bits > 0) || Bits == 8) struct QuantizePair
    : codes::ByWidestSet<QuantizePair<Bits, Group>> {
  /// What decoding promises, each of the three.
  static constexpr Exactness exactness = Exactness::unbiased;
  /// Of an element, and its share of the group's grid.
  static constexpr double bits = Bits + 1 + 32.0 / Group;
  /// Steps of the grid.
  static constexpr std::uint32_t levels = (1U << Bits) - 1U;

  /// Bytes of the code of so many elements; the last group takes eight bytes at least.
  [[nodiscard]] static constexpr std::size_t encoded_bytes(std::size_t elements) noexcept {
    return Groups::bytes(elements);
  }

  /// Writes the first. @throws WrongCodeSize
  /// @param stream what encode was given
  template <CodedElement T>
  static void decode_first(std::span<const std::byte> code, std::span<T> out,
                           const Philox& stream) {
    decode_widest<codes::CodeRead::first>(code, out, stream);
  }
  /// Writes the second. @throws WrongCodeSize
  /// @param stream what encode was given
  template <CodedElement T>
  static void decode_second(std::span<const std::byte> code, std::span<T> out,
                            const Philox& stream) {
    decode_widest<codes::CodeRead::second>(code, out, stream);
  }

  /// Writes the code of `in`, by the instructions I: the same bits as by any others.
  /// @throws WrongCodeSize
  /// @throws NotFinite for the first element that is not finite
  template <instruction_sets::InstructionSet I, CodedElement T>
  static void encode_by(std::span<const T> in, std::span<std::byte> code, const Philox& stream) {
    check_code_size(QuantizePair{}, in.size(), code.size());
    const auto strange =
        Groups::template encode<T, I>(std::as_bytes(in).data(), in.size(), code.data(), stream);
    if (strange) throw NotFinite(name(), *strange);
  }
  /// Writes the mean of both, by the instructions I: the same bits as by any others.
  /// @throws WrongCodeSize
  template <instruction_sets::InstructionSet I, CodedElement T>
  static void decode_by(std::span<const std::byte> code, std::span<T> out) {
    decode_as<codes::CodeRead::half, I>(code, out, Philox{});
  }
  /// The first by the instructions I, which give the same bits.
  template <instruction_sets::InstructionSet I, CodedElement T>
  static void decode_first_by(std::span<const std::byte> code, std::span<T> out,
                              const Philox& stream) {
    decode_as<codes::CodeRead::first, I>(code, out, stream);
  }

  /// For example `quantize-pair-4-256`.
  [[nodiscard]] static std::string name() {
    return "quantize-pair-" + std::to_string(Bits) + "-" + std::to_string(Group);
  }

 private:
  using Groups = codes::QuantizedGroups<Bits + 1, levels, Group, 2>;

  template <codes::CodeRead Read, instruction_sets::InstructionSet I, CodedElement T>
  static void decode_as(std::span<const std::byte> code, std::span<T> out, const Philox& stream) {
    check_code_size(QuantizePair{}, out.size(), code.size());
    Groups::template decode<T, I, Read>(code.data(), out.size(), std::as_writable_bytes(out).data(),
                                        stream);
  }
  template <codes::CodeRead Read, CodedElement T>
  static void decode_widest(std::span<const std::byte> code, std::span<T> out,
                            const Philox& stream) {
    codes::with_widest_set(
        [&]<instruction_sets::InstructionSet I>(I) { decode_as<Read, I>(code, out, stream); });
  }
};

static_assert(CodecOf<QuantizePair<4>, float>);

}  // namespace reprise::inline v0
