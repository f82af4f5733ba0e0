// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <reprise/threshold/hysteresis.hpp>
#include <reprise/threshold/mean_threshold.hpp>
#include <reprise/threshold/median_threshold.hpp>
#include <reprise/threshold/warmup.hpp>
#include <vector>

#include "support/threshold_conformance.hpp"

using reprise::Hysteresis;
using reprise::MeanThreshold;
using reprise::MedianThreshold;
using reprise::Warmup;

TEST_CASE("Warmup is a threshold policy, and has the state of its inner policy") {
  static_assert(!reprise::StatefulThresholdPolicy<Warmup<MedianThreshold>>);
  reprise_test::check_threshold_policy(Warmup{MedianThreshold{.alpha = 1.0}, 100});
  reprise_test::check_stateful_threshold_policy(
      Warmup{Hysteresis{MedianThreshold{.alpha = 1.0}, 0.2}, 100});
}

TEST_CASE("Warmup has every layer above at first, then its inner policy decides") {
  Warmup policy{MeanThreshold{.alpha = 1.0}, 3};
  const std::vector<double> gradients{0, 2};
  const double infinity = std::numeric_limits<double>::infinity();
  for (std::uint64_t step = 0; step < 3; ++step) {
    CHECK(reprise::thresholds(policy, gradients, step) ==
          std::vector<double>{-infinity, -infinity});
  }
  CHECK(reprise::thresholds(policy, gradients, 3) == std::vector<double>{1, 1});
  CHECK(reprise::thresholds(policy, gradients, 1'000'000) == std::vector<double>{1, 1});
}

TEST_CASE("Warmup of no steps is its inner policy") {
  Warmup policy{MeanThreshold{.alpha = 1.0}, 0};
  CHECK(reprise::thresholds(policy, std::vector<double>{0, 2}, 0) == std::vector<double>{1, 1});
}

TEST_CASE("Warmup does not hide its inner policy's refusals") {
  reprise_test::check_refused(Warmup{MeanThreshold{.alpha = -1.0}, 0});
}
