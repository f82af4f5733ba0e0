// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Scores of values that could be evicted, exact enough to be compared without rounding.

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace reprise::inline v0 {

/// A score that does not change with time: numerator / denominator. A denominator of 0 scores
/// infinity.
struct FixedScore {
  std::uint64_t numerator = 0;    ///< the higher, the longer it stays
  std::uint64_t denominator = 1;  ///< the higher, the sooner it goes

  [[nodiscard]] friend constexpr bool operator==(const FixedScore&,
                                                 const FixedScore&) noexcept = default;
};

/// A score that falls while a value is not read: numerator / (weight (clock - since)), the form of
/// DTR and its relatives. A denominator of 0 scores infinity.
struct AgeingScore {
  std::uint64_t numerator = 0;  ///< the higher, the longer it stays
  std::uint64_t weight = 1;     ///< the higher, the sooner it goes
  std::uint64_t since = 0;      ///< the clock when the value was last read

  [[nodiscard]] friend constexpr bool operator==(const AgeingScore&,
                                                 const AgeingScore&) noexcept = default;
};

namespace scoring {

__extension__ using wide = unsigned __int128;

/// What a score is at one instant.
struct Quotient {
  std::uint64_t numerator;
  wide denominator;

  [[nodiscard]] constexpr bool is_infinite() const noexcept { return denominator == 0; }
  [[nodiscard]] constexpr bool is_zero() const noexcept {
    return numerator == 0 && denominator != 0;
  }
  /// Within a relative error of 2^-50.
  [[nodiscard]] double approximate() const noexcept {
    return static_cast<double>(numerator) / static_cast<double>(denominator);
  }
};

[[nodiscard]] constexpr Quotient at(const FixedScore& score, std::uint64_t) noexcept {
  return {score.numerator, score.denominator};
}
[[nodiscard]] constexpr Quotient at(const AgeingScore& score, std::uint64_t clock) noexcept {
  return {score.numerator, static_cast<wide>(score.weight) * (clock - score.since)};
}

[[nodiscard]] constexpr int width(wide number) noexcept {
  const auto high = static_cast<std::uint64_t>(number >> 64U);
  const auto low = static_cast<std::uint64_t>(number);
  return high != 0 ? 128 - std::countl_zero(high) : 64 - std::countl_zero(low);
}

/// The quotient of two positive integers, correctly rounded to the nearest double, ties to even.
/// @pre the denominator is below 2^126
[[nodiscard]] inline double rounded(const Quotient& quotient) noexcept {
  constexpr int wanted = 56;  // two bits beyond a double's 53, and one for what is cut off
  int shift = 126 - width(quotient.numerator);
  const wide numerator = static_cast<wide>(quotient.numerator) << shift;
  wide digits = numerator / quotient.denominator;
  wide rest = numerator % quotient.denominator;
  while (width(digits) < wanted) {
    rest <<= 1U;
    digits <<= 1U;
    ++shift;
    if (rest >= quotient.denominator) {
      rest -= quotient.denominator;
      digits |= 1U;
    }
  }
  bool is_inexact = rest != 0;
  if (const int excess = width(digits) - wanted; excess > 0) {
    is_inexact = is_inexact || (digits & ((static_cast<wide>(1) << excess) - 1)) != 0;
    digits >>= excess;
    shift -= excess;
  }
  const std::uint64_t sticky = static_cast<std::uint64_t>(digits) << 1U | (is_inexact ? 1U : 0U);
  return std::ldexp(static_cast<double>(sticky), -shift - 1);
}

/// True if the value with score `a` goes before the one with score `b`: the lower rounded quotient
/// does, of equal ones the one that joined the pool later, and of zeros the one that joined first.
[[nodiscard]] inline bool precedes(const Quotient& a, std::uint64_t joined_a, const Quotient& b,
                                   std::uint64_t joined_b) noexcept {
  if (a.is_infinite() || b.is_infinite()) {
    return a.is_infinite() == b.is_infinite() ? joined_a > joined_b : b.is_infinite();
  }
  if (a.is_zero() || b.is_zero()) {
    return a.is_zero() == b.is_zero() ? joined_a < joined_b : a.is_zero();
  }
  constexpr double doubt = 0x1p-48;
  const double x = a.approximate();
  const double y = b.approximate();
  if (std::abs(x - y) > doubt * (x < y ? y : x)) return x < y;
  const double exact_x = rounded(a);
  const double exact_y = rounded(b);
  return exact_x == exact_y ? joined_a > joined_b : exact_x < exact_y;
}

inline constexpr std::uint64_t forever = std::numeric_limits<std::uint64_t>::max();

/// The last clock until which `winner` surely still goes before `loser`, as it does now.
[[nodiscard]] inline std::uint64_t precedes_until(const FixedScore&, const FixedScore&,
                                                  std::uint64_t) noexcept {
  return forever;
}
[[nodiscard]] inline std::uint64_t precedes_until(const AgeingScore& winner,
                                                  const AgeingScore& loser,
                                                  std::uint64_t clock) noexcept {
  const bool winner_is_fixed = winner.weight == 0;
  const bool loser_is_fixed = loser.weight == 0;
  if ((winner.since == clock && !winner_is_fixed) || (loser.since == clock && !loser_is_fixed)) {
    return clock;  // infinite now, and finite when the clock moves
  }
  if (winner_is_fixed || loser_is_fixed || winner.numerator == 0 || loser.numerator == 0) {
    return forever;
  }
  const wide p = static_cast<wide>(loser.numerator) * winner.weight;
  const wide q = static_cast<wide>(winner.numerator) * loser.weight;
  if (p == q && winner.since == loser.since) return forever;  // equal at every instant
  // winner < loser as long as q age(loser) < p age(winner), both linear in the clock; the margin
  // keeps clear of where the rounded quotients could tie.
  constexpr double margin = 0x1p-42;
  constexpr double error = 0x1p-49;
  const auto of_winner = static_cast<double>(p);
  const auto of_loser = static_cast<double>(q);
  const double gap = of_winner * static_cast<double>(clock - winner.since) * (1 - margin) -
                     of_loser * static_cast<double>(clock - loser.since);
  const double sure_gap = gap - error * of_winner * static_cast<double>(clock - winner.since);
  if (!(sure_gap > 0)) return clock;
  const double closing = of_loser - of_winner * (1 - margin) + error * of_winner;
  if (closing <= 0) return forever;
  const double ticks = sure_gap / closing * (1 - 0x1p-40);
  constexpr double far = 0x1p62;
  return ticks >= far ? forever : clock + static_cast<std::uint64_t>(ticks);
}

}  // namespace scoring
}  // namespace reprise::inline v0
