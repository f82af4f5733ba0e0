// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Costs in seconds that a model of the machine predicts.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

namespace reprise::inline v0 {

/// The cost of a call is the longer of two times: its FLOPs at one rate, the bytes that it reads
/// and writes at the other (Williams, Waterman and Patterson, "Roofline: an insightful visual
/// performance model for multicore architectures", 2009).
///
/// Bytes are those of the node's inputs, outputs and saved state; parameters are not known. A
/// backward takes its declared FLOPs, or twice its forward's, and twice its bytes. For what can not
/// be measured, as on a machine that is not there. Rates that are 0 are calibrated by a
/// `Checkpointed` once, from its first measuring forward, and are part of its state.
struct Roofline {
  double flops_per_second = 0;  ///< of arithmetic; 0: to be calibrated
  double bytes_per_second = 0;  ///< of memory; 0: to be calibrated

  /// Whether there is a rate for both.
  [[nodiscard]] constexpr bool is_calibrated() const noexcept {
    return flops_per_second > 0 && bytes_per_second > 0;
  }
  /// What so much work takes.
  [[nodiscard]] constexpr double seconds(double flops, double bytes) const noexcept {
    return std::max(flops / flops_per_second, bytes / bytes_per_second);
  }
};

namespace roofline {

/// One measured call.
struct Measured {
  double flops = 0;
  double bytes = 0;
  double seconds = 0;
};

/// The number at which half of the weight lies below; 0 of none.
struct Weighted {
  double number = 0;
  double weight = 0;
};
[[nodiscard]] inline double weighted_median(std::vector<Weighted> all) {
  std::ranges::sort(all, {}, &Weighted::number);
  double total = 0;
  for (const Weighted& each : all) total += each.weight;
  double below = 0;
  for (const Weighted& each : all) {
    below += each.weight;
    if (2 * below >= total) return each.number;
  }
  return 0;
}

}  // namespace roofline

/// The rates under which a roofline is nearest to what was measured: calls are told apart by which
/// of the two times is the longer, and each rate is the median of its own calls by their seconds,
/// until none changes sides. Linear in the calls, times at most 32 rounds.
/// @returns rates above 0; of nothing measured, 1 FLOP and 1 byte a nanosecond
[[nodiscard]] inline Roofline calibrate(std::span<const roofline::Measured> calls) {
  Roofline rates;
  for (const roofline::Measured& call : calls) {
    if (!(call.seconds > 0)) continue;
    rates.flops_per_second = std::max(rates.flops_per_second, call.flops / call.seconds);
    rates.bytes_per_second = std::max(rates.bytes_per_second, call.bytes / call.seconds);
  }
  if (!(rates.flops_per_second > 0)) rates.flops_per_second = 1e9;
  if (!(rates.bytes_per_second > 0)) rates.bytes_per_second = 1e9;
  for (int round = 0; round < 32; ++round) {
    std::vector<roofline::Weighted> flops;
    std::vector<roofline::Weighted> bytes;
    for (const roofline::Measured& call : calls) {
      if (!(call.seconds > 0)) continue;
      const bool is_arithmetic =
          call.flops / rates.flops_per_second > call.bytes / rates.bytes_per_second;
      if (is_arithmetic) {
        flops.push_back({call.flops / call.seconds, call.seconds});
      } else if (call.bytes > 0) {
        bytes.push_back({call.bytes / call.seconds, call.seconds});
      }
    }
    Roofline next = rates;
    if (!flops.empty()) next.flops_per_second = roofline::weighted_median(std::move(flops));
    if (!bytes.empty()) next.bytes_per_second = roofline::weighted_median(std::move(bytes));
    if (next.flops_per_second == rates.flops_per_second &&
        next.bytes_per_second == rates.bytes_per_second) {
      break;
    }
    rates = next;
  }
  return rates;
}

}  // namespace reprise::inline v0
