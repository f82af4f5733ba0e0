// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What to keep through one instant, and what to recompute after it, for a price of a byte.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <reprise/planner/staged/instant_needs.hpp>
#include <reprise/planner/staged/instant_programme.hpp>
#include <reprise/planner/staged/parametric_cut.hpp>
#include <reprise/planner/staged/staged_edit.hpp>
#include <reprise/planner/staged/staged_plan.hpp>
#include <span>
#include <utility>
#include <vector>

namespace reprise::inline v0::staged {

/// A minimum cut at the stage of one operation: each value that is needed after it is kept, at the
/// price of its bytes, or recomputed later at the cost of its maker, which needs its own arguments
/// then.
///
/// A copy costs little more than what is open, see `settle_below`. Source: the cut is that of Jain
/// et al. (arXiv:1910.02653) and of PyTorch's partitioner, with a price in place of a set of values
/// that may be kept. The plan's watch ends what takes long.
class InstantCut {
 public:
  /// @param plan must outlive this and stay as it is while it is read
  InstantCut(const StagedPlan& plan, stage_id instant)
      : choice_(std::make_shared<const Choice>(plan, instant)), cut_(choice_->cut()) {}
  /// The same instant, where some storages stay whatever their price. Not solved yet.
  /// @param kept a flag for each storage that stays
  InstantCut(const InstantCut& open, std::vector<std::uint8_t> kept)
      : choice_(std::make_shared<const Choice>(*open.choice_, std::move(kept))),
        cut_(choice_->cut()) {}

  /// The bytes that may be kept, beside what the instant has anyway. Less than 0 if no choice fits.
  [[nodiscard]] double capacity() const noexcept { return choice_->needs.capacity(); }
  /// The number of decisions.
  [[nodiscard]] std::size_t size() const noexcept { return choice_->needs.size(); }
  /// Prices of interest are a few powers of ten around this one.
  [[nodiscard]] double typical_price() const noexcept { return choice_->typical_price(); }
  /// The number of storages that have a price and are not settled.
  [[nodiscard]] std::size_t priced_count() const noexcept { return cut_.open_count(); }

  /// Finds the cheapest choice at a price, which must not be below the last one's.
  void solve(double price) { cut_.solve(price); }
  /// The same where some storages, by their number below `priced_count`, have a higher price.
  /// `bound` then means nothing, and nothing may be settled any more.
  void solve(double price, std::span<const std::uint32_t> dearer, double higher_price) {
    cut_.solve(price, dearer, higher_price);
  }
  /// Gives up what may not live through the instant, and no more than that takes. Nothing must be
  /// settled yet.
  void solve_forced() { cut_.solve_without(choice_->forced()); }

  /// What is recomputed now stays so, as it does at all higher prices: no lower one is asked from
  /// here on.
  void settle_below() { cut_.settle_below(); }
  /// What a choice at a higher price, made from a copy of this one, keeps is kept: no price above
  /// that one is asked from here on.
  void settle_above(const InstantCut& higher) { cut_.settle_above(higher.cut_); }

  /// Whether a copy's choice, solved at another price, is this one's too. Linear in the decisions.
  [[nodiscard]] bool chooses_like(const InstantCut& copy) const {
    return cut_.chooses_like(copy.cut_);
  }
  /// True if no choice at a lower price recomputes more.
  [[nodiscard]] bool is_even() const noexcept { return cut_.is_even(); }

  /// From a choice at a price, finds how many storages at the front of an order have to have a
  /// higher one, by halving: each choice that is not enough is the next one's start.
  /// @param order of storages, by their number below `priced_count`
  /// @param is_enough called with each choice looked at
  template <std::predicate<const InstantCut&> P>
  void halve(std::span<const std::uint32_t> order, double price, double higher_price,
             P is_enough) const {
    InstantCut below = *this;
    std::size_t few = 0;
    std::size_t many = order.size();
    while (few + 1 < many) {
      const std::size_t middle = (few + many) / 2;
      InstantCut cut = below;
      cut.solve(price, order.first(middle), higher_price);
      if (is_enough(std::as_const(cut))) {
        many = middle;
      } else {
        few = middle;
        below = std::move(cut);
      }
    }
  }

  /// The bytes that the choice keeps.
  [[nodiscard]] double kept_bytes() const { return cut_.kept_bytes(); }
  /// What the choice recomputes costs, by the measure of the cut.
  [[nodiscard]] double recomputed_cost() const { return cut_.cost(); }
  /// Proof that no choice within the capacity costs less, whatever the price; so no plan that keeps
  /// what stays and runs the instant's operation before all later ones, if the plan is the one
  /// without reruns.
  [[nodiscard]] double bound() const {
    return cut_.value() - cut_.price() * (capacity() - choice_->staying_bytes);
  }

  /// The reruns of the choice, each at the first stage that needs it, latest operation first.
  [[nodiscard]] std::vector<Placement> reruns() const {
    return choice_->needs.reruns([this](value_id storage) {
      const std::uint32_t recompute = choice_->recomputes_of[storage];
      return recompute != none && cut_.is_chosen(choice_->storage_nodes[storage]) &&
             cut_.is_chosen(recompute);
    });
  }

 private:
  // What does not depend on prices, for all copies.
  struct Choice {
    Choice(const StagedPlan& plan, stage_id instant)
        : needs(plan, instant),
          programme(needs.programme()),
          storage_nodes(plan.program().value_count(), none),
          recompute_nodes(plan.program().operation_count(), none),
          recomputes_of(plan.program().value_count(), none) {
      for (const auto& storage : programme.storages) {
        storage_nodes[storage.storage] = storage.is_needed ? ParametricCut::source : node_count++;
      }
      for (const auto& recompute : programme.recomputes) {
        recompute_nodes[recompute.op] = node_count++;
        total_cost += recompute.cost;
      }
      for (const auto& storage : programme.storages) {
        if (storage.maker == Program::no_operation) continue;
        recomputes_of[storage.storage] = recompute_nodes[storage.maker];
      }
    }
    Choice(Choice open, std::vector<std::uint8_t> kept) : Choice(std::move(open)) {
      must_stay = std::move(kept);
      for (const auto& [storage, bytes, maker, is_there, is_needed] : programme.storages) {
        if (!stays(storage)) continue;
        recomputes_of[storage] = none;
        if (is_needed && !is_there) staying_bytes += bytes;
      }
    }

    [[nodiscard]] ParametricCut cut() const {
      const SearchWatch& watch = needs.plan().watch();
      ParametricCut cut(node_count, total_cost, watch);
      for (const auto& [storage, bytes, maker, is_there, is_needed] : programme.storages) {
        const std::uint32_t node = storage_nodes[storage];
        watch.spend(8);
        if (is_there) continue;
        if (stays(storage)) {
          cut.keep_free(node, bytes);
        } else {
          const std::uint32_t recompute = recomputes_of[storage];
          cut.keep(node, recompute == none ? ParametricCut::sink : recompute, bytes);
        }
      }
      for (const auto& [op, cost] : programme.recomputes) cut.charge(recompute_nodes[op], cost);
      for (const auto& [op, storage] : programme.needs) {
        watch.spend(8);
        cut.imply(recompute_nodes[op], storage_nodes[storage]);
      }
      for (const auto& [op, maker] : programme.consumptions) {
        cut.imply(recompute_nodes[op], recompute_nodes[maker]);
      }
      return cut;
    }

    [[nodiscard]] bool stays(value_id storage) const {
      return !must_stay.empty() && must_stay[storage] != 0;
    }
    [[nodiscard]] double typical_price() const noexcept {
      const double held = needs.held_bytes();
      return held > 0 && total_cost > 0 ? total_cost / held : 1.0;
    }
    // The numbers of those that have a price.
    [[nodiscard]] std::vector<std::uint32_t> forced() const {
      std::vector<std::uint32_t> list;
      std::uint32_t number = 0;
      for (const auto& storage : programme.storages) {
        if (storage.is_there || stays(storage.storage)) continue;
        if (needs.program().is_forced(storage.storage)) list.push_back(number);
        ++number;
      }
      return list;
    }

    InstantNeeds needs;
    InstantProgramme programme;
    std::vector<std::uint8_t> must_stay;
    std::vector<std::uint32_t> storage_nodes;
    std::vector<std::uint32_t> recompute_nodes;
    std::vector<std::uint32_t>
        recomputes_of;  ///< of a storage that may go: the node that recomputes it
    std::uint32_t node_count = 2;
    double total_cost = 0;
    double staying_bytes = 0;  ///< held, with a price, and kept whatever that is
  };

  static constexpr std::uint32_t none = 0xFFFFFFFFU;

  std::shared_ptr<const Choice> choice_;
  ParametricCut cut_;
};

/// A plan's placements and more of them.
[[nodiscard]] inline std::vector<Placement> placements_with(const StagedPlan& plan,
                                                            std::span<const Placement> reruns) {
  std::vector<Placement> placements = plan.placements();
  placements.insert(placements.end(), reruns.begin(), reruns.end());
  return placements;
}

/// Takes away what reruns make useless that were added to a plan.
/// @param plan without them
/// @param next with them
[[nodiscard]] inline StagedPlan without_useless(const StagedPlan& plan,
                                                std::span<const Placement> reruns,
                                                StagedPlan next) {
  UselessRuns useless;
  for (const Placement& p : reruns) {
    useless.suspect(p);
    for (const value_id read : plan.program().reads(p.op)) {
      const bool is_only_run = next.runs(plan.program().maker(read)).size() == 1;  // which stays
      if (!is_only_run) useless.suspect(next, read, p.stage - 1);
    }
    const std::ptrdiff_t before = next.run_before(p.op, p.stage - 1);
    if (before >= 0) useless.suspect({p.op, next.runs(p.op)[static_cast<std::size_t>(before)]});
  }
  useless.forget_repeated(next);
  useless.remove_from(next);
  next.settle();
  next.commit();
  return next;
}
/// A plan with the reruns of a cut added and without what they make useless.
/// @param memory a plan of the same program and limits that nobody needs any more
[[nodiscard]] inline StagedPlan with_reruns(const StagedPlan& plan,
                                            std::span<const Placement> reruns, StagedPlan memory) {
  memory.reset(placements_with(plan, reruns));
  return without_useless(plan, reruns, std::move(memory));
}
/// The same in memory of its own.
[[nodiscard]] inline StagedPlan with_reruns(const StagedPlan& plan,
                                            std::span<const Placement> reruns) {
  return without_useless(
      plan, reruns,
      StagedPlan(plan.program(), plan.limits(), placements_with(plan, reruns), plan.watch()));
}

}  // namespace reprise::inline v0::staged
