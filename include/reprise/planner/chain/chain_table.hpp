// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The dynamic programme of optimal reversals of a chain.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <reprise/core/units.hpp>
#include <reprise/planner/chain/chain_reversal.hpp>
#include <reprise/planner/chain/layer_chain.hpp>
#include <reprise/planner/chain/minimum_of_sums.hpp>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// For each segment of a chain and each room, in slots of equally many bytes, the least cost of
/// reversing it; every size is rounded up to whole slots, so that a plan for so many slots never
/// needs more bytes than they have.
///
/// Costs are relative to running each forward once, and of single precision: decisions follow from
/// them and are not stored. A table takes 4 bytes for each segment and slot; making it takes time
/// cubic in the links and linear in the slots. Segments are made in blocks, so that what a block
/// reads stays in cache, and blocks of one diagonal side by side.
/// Source: Beaumont, Eyraud-Dubois, Herrmann, Joly, Shilova, "Optimal checkpointing for
/// heterogeneous chains", arXiv:1911.13214.
class ChainTable {
 public:
  /// The cost of what its room is too small for.
  static constexpr float infeasible = std::numeric_limits<float>::infinity();

  /// @param slot bytes of one, at least 1
  /// @param slots the most room there is
  /// @param threads at least 1
  ChainTable(const LayerChain& chain, const ChainOverrides& overrides, byte_count slot,
             std::uint32_t slots, std::size_t threads)
      : chain_(chain), overrides_(overrides), slot_(slot), rooms_(slots + 1) {
    links_ = static_cast<std::uint32_t>(chain.links().size());
    costs_ = std::make_unique_for_overwrite<float[]>(segment_count(links_) * stride(slots));
    stride_ = stride(slots);
    begin_.resize(segment_count(links_));
    enough_.resize(segment_count(links_));
    prepare_links();
    find_enough();
    fill(threads);
  }

  /// Bytes of a table.
  [[nodiscard]] static byte_count bytes(std::size_t links, std::uint32_t slots) noexcept {
    return segment_count(links) * (stride(slots) * sizeof(float) + 2 * sizeof(std::uint32_t));
  }

  /// The least cost of recomputation in so many slots.
  [[nodiscard]] float cost(std::uint32_t room) const noexcept { return row(0, last())[room]; }
  /// The most room there is, in slots.
  [[nodiscard]] std::uint32_t slots() const noexcept { return rooms_ - 1; }

  /// How a segment that can be reversed in its room is reversed at the least cost. Linear in its
  /// links.
  [[nodiscard]] ChainChoice choose(const ChainSegment& segment) const {
    const auto [first, last, room] = segment;
    float least = infeasible;
    ChainChoice best;
    if (chain_.link(last).is_free && room >= pass_begin(first, last)) {
      least = row(first, last - 1)[room] - forward_cost(last);
      best = {.split = last + 1, .room_before = room};
    }
    const std::uint32_t saved = saved_slots_[first];
    if (overrides_.may_save(chain_, first, last) && room >= save_begin(first, last)) {
      const float cost = row(first + 1, last)[room - saved] + save_cost(first, last);
      if (cost < least) {
        least = cost;
        best = {.split = first, .room_after = room - saved};
      }
    }
    const std::uint32_t input = input_slots_[first];
    for (std::uint32_t split = first_split(first); split <= last_split(first, last); ++split) {
      if (room < split_begin(first, split, last)) continue;
      const float cost =
          row(split, last)[room - input] + row(first, split - 1)[room] + advance_cost(first, split);
      if (cost >= least) continue;
      least = cost;
      best = {.split = split, .room_after = room - input, .room_before = room};
    }
    return best;
  }

 private:
  static constexpr std::uint32_t block = 16;
  static constexpr std::size_t most_threads = 1024;  ///< OpenMP ends a program that has no more
  static constexpr std::size_t lanes = 16;           ///< rows begin at multiples of a cache line

  [[nodiscard]] static constexpr std::size_t segment_count(std::size_t links) noexcept {
    return links * (links + 1) / 2;
  }
  [[nodiscard]] static constexpr std::size_t stride(std::uint32_t slots) noexcept {
    return (std::size_t{slots} + lanes) / lanes * lanes;
  }
  [[nodiscard]] std::uint32_t last() const noexcept { return links_ - 1; }
  [[nodiscard]] static std::size_t number(std::uint32_t first, std::uint32_t last) noexcept {
    return std::size_t{last} * (last + 1) / 2 + first;
  }
  [[nodiscard]] float* row(std::uint32_t first, std::uint32_t last) const noexcept {
    return costs_.get() + number(first, last) * stride_;
  }
  [[nodiscard]] std::uint32_t slots_of(byte_count bytes) const noexcept {
    const byte_count slots = bytes / slot_ + (bytes % slot_ != 0 ? 1 : 0);
    return static_cast<std::uint32_t>(std::min<byte_count>(slots, rooms_));
  }

  void prepare_links() {
    forward_cost_.assign(links_ + 1, 0);
    advance_need_.resize(segment_count(links_));
    for (std::uint32_t i = 0; i < links_; ++i) {
      input_slots_.push_back(slots_of(chain_.input_bytes(i)));
      saved_slots_.push_back(slots_of(chain_.link(i).saved_bytes));
      forward_cost_[i + 1] = forward_cost_[i] + chain_.link(i).forward_cost;
      byte_count need = chain_.link(i).holding_peak;
      for (std::uint32_t split = i + 1; split < links_; ++split) {
        if (split > i + 1) need = chain_.with_next(need, i, split - 1);
        advance_need_[number(i, split - 1)] = need;
      }
    }
  }

  [[nodiscard]] float advance_cost(std::uint32_t first, std::uint32_t split) const noexcept {
    return static_cast<float>(forward_cost_[split] - forward_cost_[first]);
  }
  [[nodiscard]] std::uint32_t first_split(std::uint32_t first) const noexcept {
    return chain_.first_bound(first) + 1;
  }
  [[nodiscard]] std::uint32_t last_split(std::uint32_t first, std::uint32_t last) const noexcept {
    return std::min(last, overrides_.last_split(first));
  }
  [[nodiscard]] float save_cost(std::uint32_t first, std::uint32_t last) const noexcept {
    return static_cast<float>(chain_.cost_to_save(first, last));
  }
  [[nodiscard]] float forward_cost(std::uint32_t link) const noexcept {
    return static_cast<float>(chain_.link(link).forward_cost);
  }

  // The least room in which the last link goes backward at once.
  [[nodiscard]] std::uint32_t pass_begin(std::uint32_t first, std::uint32_t last) const noexcept {
    return std::max(slots_of(chain_.need_to_pass(first, last)), begin_[number(first, last - 1)]);
  }
  // The least room in which the first link saves.
  [[nodiscard]] std::uint32_t save_begin(std::uint32_t first, std::uint32_t last) const noexcept {
    return std::max(slots_of(chain_.need_to_save(first, last)),
                    saved_slots_[first] + begin_[number(first + 1, last)]);
  }
  [[nodiscard]] std::uint32_t split_begin(std::uint32_t first, std::uint32_t split,
                                          std::uint32_t last) const noexcept {
    const byte_count need = advance_need_[number(first, split - 1)];
    return std::max({slots_of(need + chain_.link(last).gradient_bytes),
                     input_slots_[first] + begin_[number(split, last)],
                     begin_[number(first, split - 1)]});
  }

  // The room in which all links of a segment save: more of it makes nothing cheaper.
  void find_enough() {
    for (std::uint32_t last = 0; last < links_; ++last) {
      for (std::uint32_t first = last + 1; first-- > 0;) {
        std::uint32_t& enough = enough_[number(first, last)];
        if (first == last) {
          enough = slots_of(chain_.need_to_end(last));
        } else if (chain_.link(last).is_free) {
          enough = std::max(slots_of(chain_.need_to_pass(first, last)),
                            enough_[number(first, last - 1)]);
        } else if (overrides_.may_save(chain_, first, last)) {
          enough = std::max(slots_of(chain_.need_to_save(first, last)),
                            saved_slots_[first] + enough_[number(first + 1, last)]);
        } else {
          enough = rooms_;
        }
        enough = std::min(enough, rooms_);
      }
    }
  }

  void fill(std::size_t threads) {
    const std::uint32_t blocks = (links_ + block - 1) / block;
    for (std::uint32_t diagonal = 0; diagonal < blocks; ++diagonal) {
      const auto count = static_cast<std::int64_t>(blocks - diagonal);
      [[maybe_unused]] const auto at_once =
          static_cast<int>(std::min({threads, most_threads, static_cast<std::size_t>(count)}));
#pragma omp parallel for schedule(dynamic) num_threads(at_once)
      for (std::int64_t i = 0; i < count; ++i) {
        const auto first = static_cast<std::uint32_t>(i);
        fill_block(first, first + diagonal);
      }
    }
  }

  // All segments that begin in one block of links and end in another.
  void fill_block(std::uint32_t first_block, std::uint32_t last_block) {
    const std::uint32_t begin = first_block * block;
    const std::uint32_t end = std::min(begin + block, links_);
    const std::uint32_t last_begin = last_block * block;
    const std::uint32_t last_end = std::min(last_begin + block, links_);
    for (std::uint32_t first = begin; first < end; ++first) {
      for (std::uint32_t last = std::max(first, last_begin); last < last_end; ++last) {
        std::fill_n(row(first, last), rooms_, infeasible);
      }
    }
    for (std::uint32_t middle = first_block + 1; middle < last_block; ++middle) {
      for (std::uint32_t first = begin; first < end; ++first) {
        for (std::uint32_t last = last_begin; last < last_end; ++last) {
          split_within(first, last, middle * block, (middle + 1) * block);
        }
      }
    }
    for (std::uint32_t first = end; first-- > begin;) {
      for (std::uint32_t last = std::max(first, last_begin); last < last_end; ++last) {
        split_within(first, last, first + 1, std::min(end, last + 1));
        if (first_block != last_block) split_within(first, last, last_begin, last + 1);
        finish(first, last);
      }
    }
  }

  // Considers splits in [begin, end), four at a time where all four have room.
  void split_within(std::uint32_t first, std::uint32_t last, std::uint32_t begin,
                    std::uint32_t end) {
    begin = std::max(begin, first_split(first));
    end = std::min(end, last_split(first, last) + 1);
    const std::uint32_t rooms = enough_[number(first, last)];
    std::array<std::uint32_t, 4> splits{};
    std::array<std::uint32_t, 4> begins{};
    std::size_t count = 0;
    for (std::uint32_t split = begin; split < end; ++split) {
      splits[count] = split;
      begins[count] = split_begin(first, split, last);
      if (begins[count] < rooms) ++count;
      if (count < splits.size()) continue;
      const std::uint32_t common = *std::ranges::max_element(begins);
      for (std::size_t i = 0; i < count; ++i) {
        lower<1>(first, last, {splits[i]}, begins[i], common);
      }
      lower<4>(first, last, splits, common, rooms);
      count = 0;
    }
    for (std::size_t i = 0; i < count; ++i) {
      lower<1>(first, last, {splits[i]}, begins[i], rooms);
    }
  }

  template <std::size_t N>
  void lower(std::uint32_t first, std::uint32_t last, const std::array<std::uint32_t, N>& splits,
             std::uint32_t begin, std::uint32_t end) {
    if (begin >= end) return;
    std::array<SumOfRows, N> sums;
    for (std::size_t i = 0; i < N; ++i) {
      sums[i] = {.first = row(splits[i], last) + (begin - input_slots_[first]),
                 .second = row(first, splits[i] - 1) + begin,
                 .cost = advance_cost(first, splits[i])};
    }
    lower_to_sums(row(first, last) + begin, sums, end - begin);
  }

  void finish(std::uint32_t first, std::uint32_t last) {
    float* const costs = row(first, last);
    if (first == last) {
      const ChainLink& link = chain_.link(last);
      const auto cost = static_cast<float>(link.recompute_cost - link.forward_cost);
      std::fill(costs + slots_of(chain_.need_to_end(last)), costs + rooms_, cost);
      begin_[number(first, last)] = slots_of(chain_.need_to_end(last));
      return;
    }
    if (chain_.link(last).is_free) {
      const float* const before = row(first, last - 1);
      for (std::uint32_t room = pass_begin(first, last); room < rooms_; ++room) {
        costs[room] = std::min(costs[room], before[room] - forward_cost(last));
      }
    }
    if (overrides_.may_save(chain_, first, last)) {
      const float* const after = row(first + 1, last);
      const std::uint32_t saved = saved_slots_[first];
      const float cost = save_cost(first, last);
      for (std::uint32_t room = save_begin(first, last); room < rooms_; ++room) {
        costs[room] = std::min(costs[room], after[room - saved] + cost);
      }
    }
    const float* const feasible =
        std::find_if(costs, costs + rooms_, [](float cost) { return cost < infeasible; });
    begin_[number(first, last)] = static_cast<std::uint32_t>(feasible - costs);
  }

  const LayerChain& chain_;
  const ChainOverrides& overrides_;
  byte_count slot_;
  std::uint32_t rooms_;  ///< from no slot to all
  std::uint32_t links_ = 0;
  std::size_t stride_ = 0;
  std::unique_ptr<float[]> costs_;
  std::vector<std::uint32_t> begin_;   ///< of a segment: the least room that it can be reversed in
  std::vector<std::uint32_t> enough_;  ///< of a segment: the room beyond which nothing is cheaper
  std::vector<std::uint32_t> input_slots_;
  std::vector<std::uint32_t> saved_slots_;
  std::vector<double> forward_cost_;      ///< of all links before one
  std::vector<byte_count> advance_need_;  ///< of links that save nothing, without gradients
};

}  // namespace reprise::inline v0
