// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// From a profile and a cost model to what the calls of nodes cost.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <reprise/core/error.hpp>
#include <reprise/core/layer_graph.hpp>
#include <reprise/core/units.hpp>
#include <reprise/program/cost/call_costs.hpp>
#include <reprise/program/cost/cost_model.hpp>
#include <reprise/program/profile.hpp>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace reprise::inline v0 {

/// What the calls of a graph's nodes cost.
struct NodePrices {
  std::vector<CallCosts> nodes{};  ///< by their index in the graph
  bool are_flops = false;          ///< the unit: FLOPs or seconds
};

namespace pricing {

[[nodiscard]] inline CallCosts of_flops(const NodeProfile& node) {
  const double forward = *node.costs.forward_flops;
  return {.forward = forward,
          .recompute = forward,
          .backward = node.costs.backward_flops.value_or(2 * forward)};
}

/// Declared seconds go before those of the profile.
[[nodiscard]] inline CallCosts of_seconds(const NodeProfile& node) {
  if (node.costs.forward_seconds) {
    const double forward = *node.costs.forward_seconds;
    return {.forward = forward,
            .recompute = node.recompute_seconds > 0 ? node.recompute_seconds : forward,
            .backward = node.costs.backward_seconds.value_or(2 * forward)};
  }
  const double forward = node.forward_seconds;
  const double backward = node.backward_seconds > 0 ? node.backward_seconds : 2 * forward;
  return {.forward = forward,
          .recompute = node.recompute_seconds > 0 ? node.recompute_seconds : forward,
          .backward = node.costs.backward_seconds.value_or(backward)};
}

[[nodiscard]] inline bool has_flops(const NodeProfile& node) {
  return node.costs.forward_flops.has_value();
}
[[nodiscard]] inline bool declares_seconds(const NodeProfile& node) {
  return node.costs.forward_seconds.has_value();
}
[[nodiscard]] inline bool has_seconds(const NodeProfile& node) {
  return node.forward_seconds > 0 || declares_seconds(node);
}

/// Of the nodes of which both are known; 0 of none.
[[nodiscard]] inline double seconds_per_flop(const Profile& profile) {
  double seconds = 0;
  double flops = 0;
  for (const NodeProfile& node : profile.nodes) {
    if (!has_seconds(node) || !has_flops(node)) continue;
    seconds += of_seconds(node).forward;
    flops += of_flops(node).forward;
  }
  const double rate = seconds / flops;
  return std::isfinite(rate) ? rate : 0;
}

/// Bytes that a node's forward reads and writes; parameters are not known.
template <LayerGraph G>
[[nodiscard]] double bytes_moved(const G& graph, const Profile& profile, std::size_t node) {
  const auto as_real = [](byte_count bytes) { return static_cast<double>(bytes); };
  double bytes = as_real(profile.nodes[node].saved_bytes);
  for (const byte_count made : profile.nodes[node].output_bytes) bytes += as_real(made);
  for (const Source& source : graph.inputs(node)) {
    bytes +=
        as_real(source.is_graph_input() ? profile.input_bytes[source.port]
                                        : profile.nodes[source.node].output_bytes[source.port]);
  }
  return bytes;
}

template <class Price>
[[nodiscard]] NodePrices price_all(const Profile& profile, bool are_flops, Price&& price) {
  NodePrices prices{.are_flops = are_flops};
  prices.nodes.reserve(profile.nodes.size());
  for (std::size_t node = 0; node < profile.nodes.size(); ++node) {
    prices.nodes.push_back(price(node));
  }
  return prices;
}

template <class Has>
void check_all(const Profile& profile, Has&& has, const char* what) {
  const auto lacking = std::ranges::find_if_not(profile.nodes, has);
  if (lacking == profile.nodes.end()) return;
  throw InvalidArgument("node " + std::to_string(lacking - profile.nodes.begin()) + " of " +
                        std::to_string(profile.nodes.size()) + " declares no " + what +
                        ", which the cost model asks of every node");
}

}  // namespace pricing

/// What each node's calls cost. Linear in nodes and what they read.
///
/// By `MeasuredTime`, seconds that are declared, or else those of the profile. A node of which
/// neither is known costs its FLOPs at the rate of those that are known, or nothing; where no
/// node's seconds are known and all declare FLOPs, costs are FLOPs.
/// @throws InvalidArgument if a node declares no FLOPs under `Flops`, no seconds under
///   `DeclaredTime`, or a `Roofline` lacks a rate.
template <LayerGraph G>
[[nodiscard]] NodePrices price_nodes(const G& graph, const Profile& profile,
                                     const CostModel& costs) {
  const auto by_flops = [&] {
    return pricing::price_all(profile, true,
                              [&](std::size_t n) { return pricing::of_flops(profile.nodes[n]); });
  };
  const auto by_seconds = [&] {
    const double rate = pricing::seconds_per_flop(profile);
    return pricing::price_all(profile, false, [&](std::size_t n) {
      const NodeProfile& node = profile.nodes[n];
      if (pricing::has_seconds(node) || !pricing::has_flops(node)) return pricing::of_seconds(node);
      const CallCosts flops = pricing::of_flops(node);
      return CallCosts{.forward = flops.forward * rate,
                       .recompute = flops.recompute * rate,
                       .backward = flops.backward * rate};
    });
  };
  if (std::holds_alternative<Flops>(costs)) {
    pricing::check_all(profile, pricing::has_flops, "FLOPs");
    return by_flops();
  }
  if (std::holds_alternative<DeclaredTime>(costs)) {
    pricing::check_all(profile, pricing::declares_seconds, "seconds");
    return by_seconds();
  }
  if (const Roofline* const roofline = std::get_if<Roofline>(&costs)) {
    if (!roofline->is_calibrated()) {
      throw InvalidArgument("a roofline of " + std::to_string(roofline->flops_per_second) +
                            " FLOPs and " + std::to_string(roofline->bytes_per_second) +
                            " bytes a second: both are above 0, or calibrated by a Checkpointed");
    }
    return pricing::price_all(profile, false, [&](std::size_t n) {
      const NodeCosts& declared = profile.nodes[n].costs;
      const double flops = declared.forward_flops.value_or(0);
      const double bytes = pricing::bytes_moved(graph, profile, n);
      const double forward = roofline->seconds(flops, bytes);
      return CallCosts{
          .forward = forward,
          .recompute = forward,
          .backward = roofline->seconds(declared.backward_flops.value_or(2 * flops), 2 * bytes)};
    });
  }
  const bool knows_no_time = std::ranges::none_of(profile.nodes, pricing::has_seconds);
  const bool declares_flops = std::ranges::all_of(profile.nodes, pricing::has_flops);
  return knows_no_time && declares_flops ? by_flops() : by_seconds();
}

/// The roofline that is nearest to the seconds of a profile, see `calibrate`.
template <LayerGraph G>
[[nodiscard]] Roofline calibrate(const G& graph, const Profile& profile) {
  std::vector<roofline::Measured> calls;
  for (std::size_t node = 0; node < profile.nodes.size(); ++node) {
    calls.push_back({.flops = profile.nodes[node].costs.forward_flops.value_or(0),
                     .bytes = pricing::bytes_moved(graph, profile, node),
                     .seconds = pricing::of_seconds(profile.nodes[node]).forward});
  }
  return calibrate(calls);
}

}  // namespace reprise::inline v0
