// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <reprise/core/error.hpp>
#include <reprise/core/units.hpp>
#include <reprise/planner/candidate_search.hpp>
#include <reprise/planner/chain/chain_reversal.hpp>
#include <reprise/planner/chain/chain_table.hpp>
#include <reprise/planner/chain/layer_chain.hpp>
#include <reprise/planner/chain/smallest_reversal.hpp>
#include <reprise/planner/layer_values.hpp>
#include <reprise/planner/optimal_chain.hpp>
#include <reprise/program/simulate.hpp>
#include <string>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

namespace optimal_chain {

/// The slots of a table, and whether every size is a whole number of them.
struct Grid {
  byte_count slot = 1;
  std::uint32_t slots = 1;
  bool is_exact = false;
};

/// Chooses slots for a table of so many bytes.
class Grids {
 public:
  explicit Grids(const LayerChain& chain) {
    for (const ChainLink& link : chain.links()) {
      sizes_.push_back(link.output_bytes);
      sizes_.push_back(link.saved_bytes);
      for (const byte_count bytes :
           {link.output_bytes, link.saved_bytes, link.gradient_bytes, link.holding_peak,
            link.passing_peak, link.saving_peak, link.recompute_peak, link.backward_peak}) {
        divisor_ = std::gcd(divisor_, bytes);
      }
    }
    std::erase(sizes_, byte_count{0});
    std::ranges::sort(sizes_);
    divisor_ = std::max<byte_count>(divisor_, 1);
  }

  /// At most so many slots for at least so many bytes. Between the smallest slot that does and
  /// twice that, one that wastes few bytes by rounding sizes up.
  [[nodiscard]] Grid grid(byte_count bytes, std::uint32_t slots) const {
    const byte_count least = std::max<byte_count>(1, (bytes + slots - 1) / slots);
    const auto with = [&](byte_count slot) {
      return Grid{.slot = slot,
                  .slots = static_cast<std::uint32_t>((bytes + slot - 1) / slot),
                  .is_exact = divisor_ % slot == 0};
    };
    if (least <= divisor_) return with(divisor_);
    byte_count best = least;
    byte_count fewest = wasted(least);
    for (const byte_count size : common_sizes()) {
      if (size < least) continue;
      const byte_count parts = size / least;
      const byte_count slot = (size + parts - 1) / parts;
      const byte_count waste = wasted(slot);
      if (waste < fewest) {
        fewest = waste;
        best = slot;
      }
    }
    return with(best);
  }

 private:
  [[nodiscard]] byte_count wasted(byte_count slot) const {
    byte_count waste = 0;
    for (const byte_count size : sizes_) waste += (slot - size % slot) % slot;
    return waste;
  }

  // The sizes that most links have.
  [[nodiscard]] std::vector<byte_count> common_sizes() const {
    constexpr std::size_t most = 16;
    std::vector<std::pair<std::size_t, byte_count>> counted;
    for (const byte_count size : sizes_) {
      if (counted.empty() || counted.back().second != size)
        counted.emplace_back(std::size_t{0}, size);
      ++counted.back().first;
    }
    std::ranges::sort(counted, std::ranges::greater());
    std::vector<byte_count> sizes;
    for (const auto& [count, size] : counted) {
      if (sizes.size() < most) sizes.push_back(size);
    }
    return sizes;
  }

  std::vector<byte_count> sizes_;  ///< what is subtracted from the room, in order
  byte_count divisor_ = 0;         ///< of all sizes and peaks
};

/// What plans recompute at least that keep so many bytes of what links saved, whatever they do: the
/// fractional knapsack.
class LeastCost {
 public:
  explicit LeastCost(const LayerChain& chain) {
    for (const ChainLink& link : chain.links()) {
      if (link.own_saved_bytes > 0) items_.push_back({link.recompute_cost, link.own_saved_bytes});
    }
    const auto density = [](const Item& item) {
      return item.cost / static_cast<double>(item.bytes);
    };
    std::ranges::sort(items_, std::ranges::less(), density);
  }

  [[nodiscard]] double operator()(byte_count bytes) const {
    double cost = 0;
    byte_count all = 0;
    for (const Item& item : items_) all += item.bytes;
    byte_count too_many = all > bytes ? all - bytes : 0;
    for (const Item& item : items_) {
      const byte_count dropped = std::min(too_many, item.bytes);
      cost += item.cost * static_cast<double>(dropped) / static_cast<double>(item.bytes);
      too_many -= dropped;
    }
    return cost;
  }

 private:
  struct Item {
    double cost;
    byte_count bytes;
  };
  std::vector<Item> items_;  ///< the ones that are cheap to recompute first
};

// Refuses a table that there cannot be.
inline void check(const OptimalChain& planner, const LayerChain& chain) {
  if (planner.slots == 0 || planner.threads == 0) {
    throw InvalidArgument("OptimalChain needs at least 1 slot and 1 thread, not " +
                          std::to_string(planner.slots) + " and " +
                          std::to_string(planner.threads));
  }
  const byte_count bytes = ChainTable::bytes(chain.links().size(), planner.slots);
  if (bytes > planner.most_table_bytes) {
    throw InvalidArgument("a table of " + std::to_string(chain.links().size()) + " links and " +
                          std::to_string(planner.slots) + " slots takes " + format_bytes(bytes) +
                          ", more than the " + format_bytes(planner.most_table_bytes) + " allowed");
  }
}

template <class F>
[[nodiscard]] Plan plan_with(const PlanRequest& request, const LayerChain& chain,
                             std::uint32_t room, F&& choose) {
  return plan_of_runs(request, reverse_chain(chain, room, choose));
}

// The cheapest plan of all: only what must not be kept is recomputed, each link for itself.
[[nodiscard]] inline ChainChoice save_all(const LayerChain& chain, const ChainOverrides& overrides,
                                          const ChainSegment& segment) {
  if (chain.link(segment.last).is_free) return {.split = segment.last + 1};
  const bool saves = overrides.may_save(chain, segment.first, segment.last);
  return {.split = segment.first + (saves ? 0 : 1)};
}

// From the most room down, the first plan that fits; and, since the table's costs are rounded,
// all those of nearly its cost.
inline void consider_table(const PlanRequest& request, CandidateSearch& search,
                           const LayerChain& chain, const ChainTable& table) {
  const auto rounding = 1e-5 * request.program.forward_cost();
  double found = search.best()->recomputed_cost;
  for (std::uint32_t room = table.slots();; --room) {
    const float cost = table.cost(room);
    if (cost > found + rounding) return;
    const bool is_cheapest_room = room == 0 || table.cost(room - 1) > cost;
    if (is_cheapest_room &&
        search.consider(plan_with(request, chain, room, [&](const ChainSegment& segment) {
          return table.choose(segment);
        }))) {
      found = std::min<double>(found, cost);
    }
    if (room == 0) return;
  }
}

}  // namespace optimal_chain

Plan OptimalChain::operator()(const PlanRequest& request) const {
  check_request(request);
  const LayerChain chain(request.program);
  optimal_chain::check(*this, chain);
  const ChainOverrides overrides(chain, request.overrides);
  const LayerValues layers(request.program);
  CandidateSearch search(request, layers, "optimal");
  const SmallestReversal smallest(chain, overrides);
  search.consider(optimal_chain::plan_with(
      request, chain, 0, [&](const ChainSegment& segment) { return smallest.choose(segment); }));
  if (!search.best()) return search.take();
  Plan all = optimal_chain::plan_with(request, chain, 0, [&](const ChainSegment& segment) {
    return optimal_chain::save_all(chain, overrides, segment);
  });
  const byte_count most = simulate(request.program, all.schedule).peak_bytes;
  if (search.consider(std::move(all))) return search.take();

  const optimal_chain::Grids grids(chain);
  const optimal_chain::LeastCost least_cost(chain);
  for (byte_count bytes = most; bytes > 0 && bytes >= smallest.bytes(); bytes /= 2) {
    if (bytes / 2 >= request.budget) continue;
    if (search.best()->recomputed_cost <= least_cost(bytes)) break;
    const optimal_chain::Grid grid = grids.grid(bytes, slots);
    optimal_chain::consider_table(request, search, chain,
                                  ChainTable(chain, overrides, grid.slot, grid.slots, threads));
    if (grid.is_exact) break;
  }
  return search.take();
}

}  // namespace reprise::inline v0
