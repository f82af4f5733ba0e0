// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// In which order a chain's links run when some of them run again.

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <reprise/planner/chain/layer_chain.hpp>
#include <reprise/planner/chain/without_idle_reruns.hpp>
#include <reprise/planner/layer_override.hpp>
#include <reprise/planner/plan.hpp>
#include <reprise/program/repeatability.hpp>
#include <reprise/program/simulate.hpp>
#include <span>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// Consecutive links of a chain that are to be reversed, and the room for it in the planner's own
/// unit.
struct ChainSegment {
  std::uint32_t first = 0;  ///< the number of its first link
  std::uint32_t last = 0;   ///< and of its last, which may be the loss
  std::uint32_t room = 0;   ///< that the reversal may take
};

/// How a segment is reversed (see `LayerChain`): `split` is `first` if its first link saves, and
/// `last + 1` if its last link goes backward before anything runs again.
struct ChainChoice {
  std::uint32_t split = 0;        ///< the link where the later part begins
  std::uint32_t room_after = 0;   ///< for the segment that begins at the split, or after `first`
  std::uint32_t room_before = 0;  ///< for the one that ends before the split, or before `last`
};

/// A callable that says how to reverse a segment of more than one link.
template <class F>
concept ChoosesSplit = requires(F& choose, const ChainSegment& segment) {
  { choose(segment) } -> std::same_as<ChainChoice>;
};

/// The runs that reverse a chain. Iterative; linear in the runs.
template <ChoosesSplit F>
[[nodiscard]] RunList reverse_chain(const LayerChain& chain, std::uint32_t room, F&& choose) {
  RunList runs;
  const auto append = [&](const RunList& more) {
    runs.insert(runs.end(), more.begin(), more.end());
  };
  struct Task {
    ChainSegment segment;
    bool is_backward = false;  ///< of the segment's first link
  };
  std::vector<Task> tasks{{.segment = {.first = 0, .last = chain.loss(), .room = room}}};
  while (!tasks.empty()) {
    const auto [segment, is_backward] = tasks.back();
    const std::uint32_t first = segment.first;
    const std::uint32_t last = segment.last;
    tasks.pop_back();
    if (is_backward) {
      append(chain.link(first).backward);
    } else if (first == last) {
      append(chain.link(last).recompute);
      append(chain.link(last).backward);
    } else {
      const ChainChoice choice = choose(segment);
      const auto push = [&](std::uint32_t begin, std::uint32_t end, std::uint32_t its_room) {
        tasks.push_back({.segment = {.first = begin, .last = end, .room = its_room}});
      };
      if (choice.split > last) {
        append(chain.link(last).backward);
        push(first, last - 1, choice.room_before);
      } else if (choice.split == first) {
        const bool recomputes = chain.is_rest_free(first, last);
        append(recomputes ? chain.link(first).recompute : chain.link(first).forward);
        tasks.push_back({.segment = segment, .is_backward = true});
        push(first + 1, last, choice.room_after);
      } else {
        for (std::uint32_t link = first; link < choice.split; ++link) {
          append(chain.link(link).forward);
        }
        push(first, choice.split - 1, choice.room_before);
        push(choice.split, last, choice.room_after);
      }
    }
  }
  return runs;
}

/// What a user's overrides mean for the links of a chain. A link of several layers is pinned if one
/// of them is, else forced if one of them is. One that cannot run again counts as must_save.
class ChainOverrides {
 public:
  /// Linear in the links, their layers and operations.
  ChainOverrides(const LayerChain& chain, std::span<const LayerOverride> overrides)
      : is_forced_(chain.links().size(), 0), last_split_(chain.links().size(), chain.loss()) {
    const Repeatability repeatability(chain.program());
    for (std::uint32_t link = chain.loss(); link-- > 0;) {
      const auto is_any = [&](LayerOverride override) {
        return std::ranges::any_of(chain.link(link).layers, [&](std::uint32_t layer) {
          return override_of(overrides, layer) == override;
        });
      };
      const bool may_run_again =
          std::ranges::all_of(chain.link(link).forward,
                              [&](operation_id op) { return repeatability.may_run_again(op); });
      const bool must_save = !may_run_again || is_any(LayerOverride::must_save);
      is_forced_[link] =
          !chain.link(link).is_free && !must_save && is_any(LayerOverride::must_recompute) ? 1 : 0;
      last_split_[link] = must_save ? link : last_split_[link + 1];
    }
  }

  /// True if what a link saves is not to be kept from forward to backward.
  [[nodiscard]] bool is_forced(std::uint32_t link) const noexcept { return is_forced_[link] != 0; }
  /// The last split of a segment that begins there: links before it run again, which a pinned one
  /// must not.
  [[nodiscard]] std::uint32_t last_split(std::uint32_t first) const noexcept {
    return last_split_[first];
  }
  /// True if the first link of a segment may save.
  [[nodiscard]] bool may_save(const LayerChain& chain, std::uint32_t first,
                              std::uint32_t last) const noexcept {
    return last != chain.loss() || !is_forced(first);
  }

 private:
  std::vector<std::uint8_t> is_forced_;
  std::vector<std::uint32_t> last_split_;
};

/// The plan of a list of runs, without a lower bound.
[[nodiscard]] inline Plan plan_of_runs(const PlanRequest& request, RunList runs) {
  Schedule schedule =
      schedule_of_runs(request.program, without_idle_reruns(request.program, std::move(runs)));
  const Simulation played = simulate(request.program, schedule);
  return {.schedule = std::move(schedule),
          .peak_bytes =
              peak_in_flight(played.peak_bytes, played.boundary_bytes, request.passes_in_flight),
          .boundary_bytes = played.boundary_bytes,
          .recomputed_cost = played.recomputed_cost};
}

}  // namespace reprise::inline v0
