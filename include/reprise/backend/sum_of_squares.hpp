// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The sum of squares of one run of elements, in one fixed order: what host backends build upon.

#include <cstddef>
#include <reprise/backend/block_reduction.hpp>
#include <reprise/backend/element_type.hpp>
#include <reprise/backend/instruction_set.hpp>
#include <reprise/backend/sum_of_runs.hpp>
#include <tuple>
#include <type_traits>

namespace reprise::inline v0 {

/// The relative error that `sum_of_squares` may have for float, float16 and bfloat16, beside that
/// of additions in double: an element's square goes through five roundings at most.
inline constexpr double sum_of_squares_error = 5 * 0x1p-24;

/// The sum of the squares of `size` elements at `data`, by the instructions I.
///
/// Eight rows of 64 bytes are a run: 128 floats, 64 doubles, or 256 halves. In a run each of 16
/// lanes adds the squares of its elements in float, as a balanced tree; the lane of a run's element
/// i is i mod 16, of bfloat16 i / 2 mod 16. The sums of lanes become doubles, lane l's is added to
/// total l mod 8 in the order of the lanes and of the runs, and the eight totals are added in the
/// end. The last run is filled up with zeros. Of doubles there are 8 lanes, and everything is in
/// double. So the order of the additions depends on `size` alone, and no multiplication is
/// contracted with an addition: the result is the same to the bit on each call, thread, backend and
/// machine, whatever the instructions.
///
/// Squares of halves are exact, those of float are rounded; the relative error of the sum is below
/// `sum_of_squares_error` (for double, zero) and `size / 64 + 20` times 2^-53 together. Where
/// squares may have left the range of float, the sum is taken again of elements that are scaled by
/// a power of two, with the same error: so only elements that are not finite make a sum that is
/// not. Squares of doubles may overflow. Infinities and NaNs come through.
///
/// Linear, one pass, limited by memory; two passes where the root of the mean square is below
/// 2^-50 or the sum of a lane is above the largest float.
/// @param data at any address
template <Element T, instruction_sets::InstructionSet I>
double sum_of_squares(const void* data, std::size_t size) noexcept {
  using Stored = std::remove_cv_t<T>;
  const auto* const bytes = static_cast<const std::byte*>(data);
  const double sum = I::run(squares::SumOfRuns<Stored, I, false>{bytes, size});
  if constexpr (std::is_same_v<Stored, float> || std::is_same_v<Stored, bfloat16>) {
    using Scaled = squares::SumOfRuns<Stored, I, true>;
    // What a square lost below the smallest normal float, 2^-126, is then less than 2^-26 of a sum
    // that is not taken again.
    if (sum < static_cast<double>(size) * 0x1p-100) {
      return I::run(Scaled{bytes, size, 0x1p90F}) * 0x1p-180;
    }
    if (!is_finite(sum)) return I::run(Scaled{bytes, size, 0x1p-90F}) * 0x1p180;
  }
  return sum;
}

/// The same by instructions that this machine has; see above.
///
/// For float16 the widest; for the others AVX2 at most, because arithmetic is no limit there and
/// loads of 64 bytes take more of the buffers for what is on its way from memory than a core has
/// (measured on Zen 4: a tenth of a plain read's bandwidth).
template <Element T>
double sum_of_squares(const void* data, std::size_t size) noexcept {
  double sum = 0;
  const auto add_with = [&]<class I>(I) {
    constexpr std::size_t register_bytes = I::template lanes<std::byte>;
    if constexpr (register_bytes > 32 && !std::is_same_v<std::remove_cv_t<T>, float16>) {
      return false;
    } else {
      if (!I::is_available()) return false;
      sum = sum_of_squares<T, I>(data, size);
      return true;
    }
  };
  std::apply([&](auto... sets) { static_cast<void>((add_with(sets) || ...)); },
             instruction_sets::All{});
  return sum;
}

}  // namespace reprise::inline v0
