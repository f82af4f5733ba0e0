// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

namespace reprise_bench {

/// A tracker that reads nothing, for planners that ask for no statistics.
struct NoStatistics {
  [[nodiscard]] std::span<const double> statistics() const { return {}; }
  void end_step() {}
  void abandon_step() {}
};

}  // namespace reprise_bench
