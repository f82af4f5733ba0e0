// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The reversal of a chain that needs the fewest bytes.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <reprise/core/units.hpp>
#include <reprise/planner/chain/chain_reversal.hpp>
#include <reprise/planner/chain/layer_chain.hpp>
#include <vector>

namespace reprise::inline v0 {

/// Of all reversals of whole links the one that needs the fewest bytes, and of equal ones one of
/// low cost. Exact in bytes; time cubic and memory quadratic in the links.
class SmallestReversal {
 public:
  /// Does all the work: what follows asks for its results.
  SmallestReversal(const LayerChain& chain, const ChainOverrides& overrides)
      : chain_(chain),
        overrides_(overrides),
        links_(static_cast<std::uint32_t>(chain.links().size())),
        by_first_(square()),
        by_last_(square()),
        cost_(square()),
        split_(square()) {
    forward_cost_.assign(links_ + 1, 0);
    for (std::uint32_t i = 0; i < links_; ++i) {
      forward_cost_[i + 1] = forward_cost_[i] + chain.link(i).forward_cost;
    }
    for (std::uint32_t last = 0; last < links_; ++last) {
      for (std::uint32_t first = last + 1; first-- > 0;) find(first, last);
    }
  }

  /// What it needs.
  [[nodiscard]] byte_count bytes() const noexcept { return by_first_[links_ - 1]; }
  /// How it reverses a segment.
  [[nodiscard]] ChainChoice choose(const ChainSegment& segment) const {
    return {.split = split_[segment.last * std::size_t{links_} + segment.first]};
  }

 private:
  struct Best {
    byte_count need = std::numeric_limits<byte_count>::max();
    double cost = 0;
    std::uint32_t split = 0;
  };

  [[nodiscard]] std::size_t square() const { return std::size_t{links_} * links_; }

  void find(std::uint32_t first, std::uint32_t last) {
    const Best best = best_of(first, last);
    by_first_[first * std::size_t{links_} + last] = best.need;
    const std::size_t at = last * std::size_t{links_} + first;
    by_last_[at] = best.need;
    cost_[at] = best.cost;
    split_[at] = best.split;
  }

  [[nodiscard]] Best best_of(std::uint32_t first, std::uint32_t last) const {
    const ChainLink& end = chain_.link(last);
    if (first == last) {
      return {.need = chain_.need_to_end(last), .cost = end.recompute_cost - end.forward_cost};
    }
    const byte_count* const from_first = &by_first_[first * std::size_t{links_}];
    const std::size_t to_last = last * std::size_t{links_};
    Best best;
    if (end.is_free) {
      best = {.need = std::max(chain_.need_to_pass(first, last), from_first[last - 1]),
              .cost = cost_[to_last - links_ + first] - end.forward_cost,
              .split = last + 1};
    }
    const auto improve = [&](byte_count need, double cost, std::uint32_t split) {
      if (need > best.need || (need == best.need && cost >= best.cost)) return;
      best = {.need = need, .cost = cost, .split = split};
    };
    if (overrides_.may_save(chain_, first, last)) {
      improve(std::max(chain_.need_to_save(first, last),
                       chain_.link(first).saved_bytes + by_last_[to_last + first + 1]),
              cost_[to_last + first + 1] + chain_.cost_to_save(first, last), first);
    }
    const byte_count input = chain_.input_bytes(first);
    const std::uint32_t last_split = std::min(last, overrides_.last_split(first));
    byte_count advance = chain_.link(first).holding_peak;
    for (std::uint32_t split = first + 1; split <= last_split; ++split) {
      if (split > first + 1) advance = chain_.with_next(advance, first, split - 1);
      const byte_count need = std::max(
          {advance + end.gradient_bytes, input + by_last_[to_last + split], from_first[split - 1]});
      if (need > best.need || split <= chain_.first_bound(first)) continue;
      improve(need,
              forward_cost_[split] - forward_cost_[first] + cost_[to_last + split] +
                  cost_[(split - 1) * std::size_t{links_} + first],
              split);
    }
    return best;
  }

  const LayerChain& chain_;
  const ChainOverrides& overrides_;
  std::uint32_t links_;
  std::vector<byte_count> by_first_;  ///< bytes of a segment: first, last
  std::vector<byte_count> by_last_;   ///< the same: last, first, as the ones below
  std::vector<double> cost_;
  std::vector<std::uint32_t> split_;
  std::vector<double> forward_cost_;  ///< of all links before one
};

}  // namespace reprise::inline v0
