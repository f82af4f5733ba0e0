// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// expect: StatefulThresholdPolicy

// A margin around a margin: the outer one could not save the inner one's decisions.

#include <reprise/threshold/hysteresis.hpp>
#include <reprise/threshold/median_threshold.hpp>

void call() {
  const reprise::Hysteresis inner{reprise::MedianThreshold{.alpha = 1.0}, 0.1};
#ifndef REPRISE_POSITIVE
  const reprise::Hysteresis<reprise::Hysteresis<reprise::MedianThreshold>> outer{inner, 0.1};
#endif
  static_cast<void>(inner.state());
}
