// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A minimum cut in which bytes have a price that rises.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <reprise/planner/search_watch.hpp>
#include <reprise/planner/staged/max_flow.hpp>
#include <span>
#include <utility>
#include <vector>

namespace reprise::inline v0::staged {

/// Chooses nodes: the source's side of a cut is what is chosen. Some nodes cost something if
/// chosen, and some pairs keep bytes if the first is chosen and the second is not; it minimises
/// costs and bytes times a price.
///
/// The higher the price, the more is chosen: a node that is chosen at one price is chosen at every
/// higher one. (If S is the smallest choice at a price, what S has beyond a smaller choice costs no
/// less than nothing, so it saves bytes, and saves more of their price at a higher one.) So a
/// search that has narrowed prices down to a range need not decide again what both its ends agree
/// on: `settle_below` and `settle_above` take that out, and all cuts of a search together take
/// about the time of a few. Source: the parametric flows of Gallo, Grigoriadis and Tarjan, "A fast
/// parametric maximum flow algorithm and applications", 1989, where other arcs grow; the taking out
/// is that of Eisner and Severance, 1976.
class ParametricCut {
 public:
  static constexpr std::uint32_t source = 0;  ///< always chosen
  static constexpr std::uint32_t sink = 1;    ///< never chosen

  /// @param node_count the source and the sink included
  /// @param total_cost of all nodes: what costs are measured by
  /// @param watch ends `solve` and `settle`; the cut may only be destroyed then
  ParametricCut(std::uint32_t node_count, double total_cost, SearchWatch watch = {})
      : scale_(total_cost > least_cost ? resolution / total_cost : 1.0),
        flow_(node_count, watch),
        nodes_(node_count) {
    std::iota(nodes_.begin(), nodes_.end(), 0U);
  }

  /// Who chooses the first one chooses the second one too. What the source implies is chosen at any
  /// price, but it is better given the source's number.
  void imply(std::uint32_t node, std::uint32_t other) {
    flow_.add_arc(node, other, MaxFlow::unlimited);
  }
  /// A node that costs something if chosen.
  void charge(std::uint32_t node, double cost) {
    flow_.add_arc(node, sink, scaled(cost));
    charges_.push_back({.node = node, .cost = cost});
  }
  /// Bytes that are kept, and paid for, if the first node is chosen and the second is not.
  void keep(std::uint32_t node, std::uint32_t other, double bytes) {
    keeps_.push_back(
        {.node = node, .other = other, .arc = flow_.add_arc(node, other, 0), .bytes = bytes});
  }
  /// Bytes that are kept if the node is chosen, and cost nothing.
  void keep_free(std::uint32_t node, double bytes) {
    free_keeps_.push_back({.node = node, .cost = bytes});
  }

  /// Pairs that keep bytes at a price and are not settled; each has a number below this, in the
  /// order in which they were added.
  [[nodiscard]] std::size_t open_count() const noexcept { return keeps_.size(); }

  /// The last price.
  [[nodiscard]] double price() const noexcept { return price_; }

  /// Finds the cheapest choice at a price, which must not be below the last one's.
  void solve(double price) {
    for (Keep& keep : keeps_) raise(keep, price);
    price_ = price;
    cut();
  }
  /// The same where some pairs have a higher price, by their numbers. `value` then means nothing,
  /// and nothing may be settled any more.
  void solve(double price, std::span<const std::uint32_t> dearer, double higher_price) {
    for (const std::uint32_t number : dearer) raise(keeps_[number], higher_price);
    solve(price);
  }
  /// A choice that keeps none of some pairs, whatever that costs.
  void solve_without(std::span<const std::uint32_t> pairs) {
    for (const std::uint32_t number : pairs) raise_to(keeps_[number], MaxFlow::unlimited);
    cut();
  }

  /// What is chosen now stays so: no lower price is asked from here on. Linear in what is open.
  void settle_below() { settle(*this); }
  /// What a choice at a higher price, made from a copy of this one, leaves out is left out: no
  /// price above that one is asked from here on. Linear in what is open.
  void settle_above(const ParametricCut& higher) { settle(higher); }

  /// Whether a node is chosen, by the number that it was added with.
  [[nodiscard]] bool is_chosen(std::uint32_t node) const noexcept {
    return flow_.is_on_source_side(nodes_[node]);
  }
  /// Whether a copy, solved at another price, chooses the same nodes. Linear in all nodes.
  [[nodiscard]] bool chooses_like(const ParametricCut& copy) const noexcept {
    for (std::uint32_t node = 0; node < nodes_.size(); ++node) {
      if (is_chosen(node) != copy.is_chosen(node)) return false;
    }
    return true;
  }
  /// False once a price was so high that one byte did not cost what another one did: at a higher
  /// price less may be chosen then.
  [[nodiscard]] bool is_even() const noexcept { return !is_uneven_; }
  /// The bytes that the choice keeps.
  [[nodiscard]] double kept_bytes() const {
    double bytes = settled_bytes_;
    for (const Keep& keep : keeps_) bytes += is_kept(keep) ? keep.bytes : 0;
    return bytes + sum_of_chosen(free_keeps_);
  }
  /// What the choice costs without the price of bytes.
  [[nodiscard]] double cost() const { return settled_cost_ + sum_of_chosen(charges_); }
  /// No choice costs less at the last price, that of its bytes included.
  [[nodiscard]] double value() const {
    MaxFlow::capacity_type value = value_ - settled_flow_;
    for (const double bytes : settled_keeps_) value += scaled(price_ * bytes);
    return static_cast<double>(value - rounding_) / scale_;
  }

 private:
  static constexpr double resolution = 0x1p44;    ///< of the total cost
  static constexpr double least_cost = 0x1p-900;  ///< a total of less counts as none
  static constexpr double highest = 0x1p46;  ///< an arc of that capacity is never worth cutting

  struct Keep {
    std::uint32_t node;
    std::uint32_t other;
    std::uint32_t arc;
    double bytes;
    MaxFlow::capacity_type capacity = 0;
  };
  struct Charge {
    std::uint32_t node;
    double cost;
  };

  [[nodiscard]] MaxFlow::capacity_type scaled(double cost) const {
    return static_cast<MaxFlow::capacity_type>(std::min(cost * scale_, highest));
  }
  void raise(Keep& keep, double price) {
    const double cost = price * keep.bytes;
    // Then one byte does not cost what another one does, and more need not be chosen.
    if (cost * scale_ > highest) is_uneven_ = true;
    raise_to(keep, scaled(cost));
  }
  void raise_to(Keep& keep, MaxFlow::capacity_type capacity) {
    if (capacity <= keep.capacity) return;
    flow_.grow(keep.arc, capacity - keep.capacity);
    keep.capacity = capacity;
  }
  void cut() { value_ = flow_.solve(source, sink); }

  [[nodiscard]] bool is_kept(const Keep& keep) const {
    return flow_.is_on_source_side(keep.node) && !flow_.is_on_source_side(keep.other);
  }
  [[nodiscard]] double sum_of_chosen(const std::vector<Charge>& charges) const {
    double sum = 0;
    for (const Charge& charge : charges) {
      if (flow_.is_on_source_side(charge.node)) sum += charge.cost;
    }
    return sum;
  }

  // What this one chooses becomes part of the source, what the other one does not of the sink.
  void settle(const ParametricCut& higher) {
    if (higher.is_uneven_) return;
    std::vector<std::uint32_t> into(flow_.node_count());
    std::uint32_t count = 2;
    for (std::uint32_t node = 0; node < into.size(); ++node) {
      if (flow_.is_on_source_side(node)) {
        into[node] = source;
      } else if (&higher != this && !higher.flow_.is_on_source_side(node)) {
        into[node] = sink;
      } else {
        into[node] = node == sink ? sink : count++;
      }
    }
    // Capacities are rounded down, and so what is agreed on may not be the best by that much.
    if (rounding_ == 0) {
      rounding_ = static_cast<MaxFlow::capacity_type>(keeps_.size() + charges_.size());
    }
    const std::vector<std::uint32_t> numbers =
        flow_.merge(into, count, {.source = source, .sink = sink});
    for (std::uint32_t& node : nodes_) node = into[node];
    settle_keeps(into, numbers);
    settled_cost_ += settle_charges(charges_, into);
    settled_bytes_ += settle_charges(free_keeps_, into);
    cut();
  }

  void settle_keeps(std::span<const std::uint32_t> into, std::span<const std::uint32_t> numbers) {
    for (Keep& keep : keeps_) {
      keep.node = into[keep.node];
      keep.other = into[keep.other];
      keep.arc = numbers[keep.arc / 2];
      if (keep.node != source || keep.other != sink) continue;
      settled_bytes_ += keep.bytes;
      settled_keeps_.push_back(keep.bytes);
      settled_flow_ += keep.capacity;
    }
    std::erase_if(keeps_, [](const Keep& keep) {
      const bool is_settled = keep.node == source && keep.other == sink;
      return is_settled || keep.node == keep.other || keep.node == sink || keep.other == source;
    });
  }
  // Returns the sum of those that are chosen.
  [[nodiscard]] static double settle_charges(std::vector<Charge>& charges,
                                             std::span<const std::uint32_t> into) {
    double sum = 0;
    for (Charge& charge : charges) {
      charge.node = into[charge.node];
      if (charge.node == source) sum += charge.cost;
    }
    std::erase_if(charges, [](const Charge& charge) { return charge.node <= sink; });
    return sum;
  }

  double scale_;
  MaxFlow flow_;
  std::vector<std::uint32_t> nodes_;  ///< what each node has become part of
  std::vector<Keep> keeps_;
  std::vector<Charge> charges_;
  std::vector<Charge> free_keeps_;
  double price_ = 0;
  MaxFlow::capacity_type value_ = 0;
  bool is_uneven_ = false;
  double settled_cost_ = 0;
  double settled_bytes_ = 0;
  std::vector<double> settled_keeps_;        ///< bytes of each pair that is kept from here on
  MaxFlow::capacity_type settled_flow_ = 0;  ///< their part of the flow
  MaxFlow::capacity_type rounding_ = 0;      ///< by which what is settled may be off
};

}  // namespace reprise::inline v0::staged
