// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What codecs that know several sets of instructions have in common.

#include <cstddef>
#include <reprise/backend/instruction_set.hpp>
#include <reprise/codec/codec.hpp>
#include <reprise/codec/widest_set.hpp>
#include <reprise/core/philox.hpp>
#include <span>

namespace reprise::inline v0::codes {

/// `encode` and `decode` of a codec C by the widest set of instructions that this machine has.
/// @tparam C derived from this, with `encode_by<I>` and `decode_by<I>` for any instructions I
template <class C>
struct ByWidestSet {
  /// Writes the code of `in`. @throws as `C::encode_by`
  template <CodedElement T>
  static void encode(std::span<const T> in, std::span<std::byte> code, const Philox& stream) {
    with_widest_set(
        [&]<instruction_sets::InstructionSet I>(I) { C::template encode_by<I>(in, code, stream); });
  }
  /// Writes what the code stands for. @throws WrongCodeSize
  template <CodedElement T>
  static void decode(std::span<const std::byte> code, std::span<T> out) {
    with_widest_set(
        [&]<instruction_sets::InstructionSet I>(I) { C::template decode_by<I>(code, out); });
  }
};

}  // namespace reprise::inline v0::codes
