// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// expect: EstimatesFromMoment

// A smoothing that never says what its moment means.

#include <reprise/stats/gradient_stat_tracker.hpp>
#include <vector>

struct NoEstimate {
  double operator()(double moment, double observation) const { return moment + observation; }
  void validate() const {}
};

void call() {
#ifdef REPRISE_POSITIVE
  using Smoothing = reprise::Ema;
#else
  using Smoothing = NoEstimate;
#endif
  const reprise::GradientStatTracker<reprise::DefaultBackend, Smoothing> tracker(
      reprise::ObservedLayers{{true}});
}
