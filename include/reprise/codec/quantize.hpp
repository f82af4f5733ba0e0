// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Whole numbers of a few bits on a grid for each group of elements.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <reprise/backend/instruction_set.hpp>
#include <reprise/codec/by_widest_set.hpp>
#include <reprise/codec/codec.hpp>
#include <reprise/codec/exactness.hpp>
#include <reprise/codec/quantized_groups.hpp>
#include <reprise/codec/rounding.hpp>
#include <reprise/core/philox.hpp>
#include <span>
#include <string>

namespace reprise::inline v0 {

/// `Bits` bits an element on a uniform grid from a group's smallest element to its largest, and 32
/// bits a group for both. Models Codec for float, float16 and bfloat16.
///
/// With L = 2^Bits - 1 steps, a group whose elements lie between l and h has a grid of a step s of
/// at most (h - l + 2^-10 |l|) (1 + 2^-9) / L: its zero point is l as a half, rounded down, its
/// range a half, rounded up, so that nothing is clipped. Where halves end (elements above 65,504,
/// ranges below 2^-14) bfloat16 takes their place, with s at most (h - l + 2^-7 |l| + 2^-130)
/// (1 + 2^-6) / L. An element comes back within s, by nearest rounding within s / 2, and 2^-14 s
/// more for the arithmetic, and 2^-23 of the largest magnitude, and what T rounds off; always
/// finite. Equal elements come back as they were, but for the signs of zeros.
///
/// Stochastic rounding is unbiased up to 2^-14 s, and rounding to T: its variance is p (1 - p) s^2
/// for an element that lies p of a step behind a code, s^2 / 4 at most. Elements draw for
/// themselves. Nearest rounding draws nothing.
///
/// Elements that are not finite are refused (NotFinite): what else they were kept in would take
/// bytes that depend on values. Linear; the elements are read twice, a group at a time.
///
/// One bit is for values with one reader, the gradient of a weight, which is linear in them: there
/// the error averages out over many rows. Anything behind a product of two such values or a
/// nonlinear function amplifies it by orders of magnitude; declare it only there.
/// @tparam Bits 1, 2, 3, 4 or 8
/// @tparam R     how numbers between two codes find one
/// @tparam Group elements that share a grid: 128 or 256
template <std::size_t Bits, Rounding R = Rounding::stochastic, std::size_t Group = 256>
requires((Bits <= 4 && Bits > 0) || Bits == 8) struct Quantize
    : codes::ByWidestSet<Quantize<Bits, R, Group>> {
  /// What decoding promises.
  static constexpr Exactness exactness =
      R == Rounding::stochastic ? Exactness::unbiased : Exactness::biased;
  /// Of an element, and its share of the group's grid.
  static constexpr double bits = Bits + 32.0 / Group;
  /// Steps of the grid.
  static constexpr std::uint32_t levels = (1U << Bits) - 1U;

  /// Bytes of the code of so many elements; the last group takes eight bytes at least.
  [[nodiscard]] static constexpr std::size_t encoded_bytes(std::size_t elements) noexcept {
    return Groups::bytes(elements);
  }

  /// Writes the code of `in`, by the instructions I: the same bits as by any others.
  /// @throws WrongCodeSize if the code has other than `encoded_bytes(in.size())` bytes
  /// @throws NotFinite     for the first element that is not finite
  template <instruction_sets::InstructionSet I, CodedElement T>
  static void encode_by(std::span<const T> in, std::span<std::byte> code, const Philox& stream) {
    check_code_size(Quantize{}, in.size(), code.size());
    const auto strange =
        Groups::template encode<T, I>(std::as_bytes(in).data(), in.size(), code.data(), stream);
    if (strange) throw NotFinite(name(), *strange);
  }
  /// Writes what the code stands for, by the instructions I: the same bits as by any others.
  /// @throws WrongCodeSize
  template <instruction_sets::InstructionSet I, CodedElement T>
  static void decode_by(std::span<const std::byte> code, std::span<T> out) {
    check_code_size(Quantize{}, out.size(), code.size());
    Groups::template decode<T, I, codes::CodeRead::whole>(
        code.data(), out.size(), std::as_writable_bytes(out).data(), Philox{});
  }

  /// For example `quantize-4-stochastic-256`.
  [[nodiscard]] static std::string name() {
    return "quantize-" + std::to_string(Bits) +
           (R == Rounding::stochastic ? "-stochastic-" : "-nearest-") + std::to_string(Group);
  }

 private:
  using Groups = codes::QuantizedGroups<Bits, levels, Group, R == Rounding::stochastic ? 1 : 0>;
};

static_assert(CodecOf<Quantize<4>, float> && CodecOf<Quantize<4>, float16> &&
              CodecOf<Quantize<4>, bfloat16> && !CodecOf<Quantize<4>, double>);

}  // namespace reprise::inline v0
