// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <reprise/core/error.hpp>
#include <reprise/threshold/threshold_policy.hpp>
#include <span>
#include <vector>

using reprise::thresholds;

TEST_CASE("any callable of the right shape is a policy") {
  auto one = [](std::span<const double> gradients) { return gradients[0]; };
  auto each = [](std::span<const double> gradients) {
    return std::vector<double>(gradients.begin(), gradients.end());
  };
  auto stepped = [](std::span<const double>, std::uint64_t step) {
    return static_cast<double>(step);
  };
  static_assert(reprise::ThresholdPolicy<decltype(one)>);
  static_assert(!reprise::StatefulThresholdPolicy<decltype(one)>);
  const std::vector<double> gradients{3, 4};
  CHECK(thresholds(one, gradients, 9) == std::vector<double>{3, 3});
  CHECK(thresholds(each, gradients, 9) == gradients);
  CHECK(thresholds(stepped, gradients, 9) == std::vector<double>{9, 9});
}

TEST_CASE("what is no policy is none") {
  auto integer = [](std::span<const double>) { return 1; };
  auto nothing = [](int) { return 1.0; };
  static_assert(!reprise::ThresholdPolicy<decltype(integer)>);
  static_assert(!reprise::ThresholdPolicy<decltype(nothing)>);
  static_assert(!reprise::ThresholdPolicy<int>);
}

TEST_CASE("thresholds that fit no layer or are no numbers are refused") {
  const std::vector<double> gradients{3, 4};
  auto few = [](std::span<const double>) { return std::vector<double>{1}; };
  CHECK_THROWS_WITH_AS(static_cast<void>(thresholds(few, gradients, 0)),
                       "thresholds: the policy returned 1 thresholds for 2 layers",
                       reprise::InvalidArgument);
  auto nan = [](std::span<const double>) { return std::numeric_limits<double>::quiet_NaN(); };
  CHECK_THROWS_AS(static_cast<void>(thresholds(nan, gradients, 0)), reprise::InvalidArgument);
}
