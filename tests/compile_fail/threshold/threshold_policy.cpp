// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// expect: PlainThresholdPolicy|Thresholds

// A policy that returns integers gives no thresholds.

#include <reprise/threshold/threshold_policy.hpp>
#include <span>
#include <vector>

void call(const std::vector<double>& gradients) {
#ifdef REPRISE_POSITIVE
  auto policy = [](std::span<const double>) { return 1.0; };
#else
  auto policy = [](std::span<const double>) { return 1; };
#endif
  static_cast<void>(reprise::thresholds(policy, gradients, 0));
}
