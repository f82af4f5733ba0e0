// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Costs in seconds that passes are measured by.

#include <cstddef>
#include <reprise/program/cost/any_operation_clock.hpp>

namespace reprise::inline v0 {

/// The cost of a call is the seconds that it takes, measured while the first passes train; seconds
/// that a node declares are not measured. FLOPs play no part, unless nothing else is known.
///
/// The forward that measures bytes gives a first estimate. Each pass of a shape that comes after
/// the warm-up is a sample of each of its calls: forward, backward and, where the plan has one,
/// the recomputation, which has a price of its own (colder caches, other allocations). Nodes of one
/// type, shape and declared cost share their samples. Once each has enough, the median is the cost,
/// from then on and for all shapes that have such nodes: nothing is measured any more, and plans
/// are made once again. What was never recomputed costs as much more than its forward as what was.
///
/// No further pass runs for it. Reading the clock takes at most a share of a pass: where it would
/// take more, each pass measures some of the calls in turn.
struct MeasuredTime {
  std::size_t warm_up = 1;  ///< passes of a shape that do not count
  std::size_t samples = 5;  ///< of each call; 0 counts as 1
  std::size_t max_kinds =
      65536;  ///< of nodes that are remembered, but all of a pass; those used last stay
  double most_share = 0.01;  ///< of a pass that reading the clock may take
  AnyOperationClock
      clock{};  ///< a device's nodes need one that its stream has, such as DeviceClock
};

}  // namespace reprise::inline v0
