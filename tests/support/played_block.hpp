// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A device's block of threads, played on the host.

#include <array>
#include <cstddef>
#include <cstdint>
#include <reprise/backend/block_reduction.hpp>

namespace reprise_test {

/// One thread after the other up to each barrier, and the additions in the order in which CUB's
/// BLOCK_REDUCE_WARP_REDUCTIONS makes them: in a warp with the neighbour 1, 2, 4, 8 and 16 further
/// on, then warp after warp.
template <std::uint32_t Threads>
struct PlayedBlock {
  static constexpr std::uint32_t threads = Threads;
  static constexpr std::uint32_t warp = 32;
  static_assert(threads % warp == 0);

  template <class F>
  void sum(F f, double& out) const {
    std::array<double, threads> values;
    for (std::uint32_t thread = 0; thread < threads; ++thread) values[thread] = f(thread);
    for (std::uint32_t first = 0; first < threads; first += warp) {
      for (std::uint32_t distance = 1; distance < warp; distance *= 2) {
        for (std::uint32_t lane = 0; lane + distance < warp; ++lane) {  // reads before it writes
          values[first + lane] += values[first + lane + distance];
        }
      }
    }
    out = values[0];
    for (std::uint32_t first = warp; first < threads; first += warp) out += values[first];
  }

  template <class F>
  [[nodiscard]] bool all(F f) const {
    bool is_true = true;
    for (std::uint32_t thread = 0; thread < threads; ++thread) is_true = f(thread) && is_true;
    return is_true;
  }

  template <class F>
  void each(F f) const {
    for (std::uint32_t thread = 0; thread < threads; ++thread) f(thread);
  }
};
static_assert(reprise::ThreadBlock<PlayedBlock<64>>);

}  // namespace reprise_test
