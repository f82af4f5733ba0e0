// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What the calls of a node cost.

namespace reprise::inline v0 {

/// What the calls of one node cost, in FLOPs or in seconds.
struct CallCosts {
  double forward = 0;    ///< its first run
  double recompute = 0;  ///< every further run
  double backward = 0;   ///< its only one
};

}  // namespace reprise::inline v0
