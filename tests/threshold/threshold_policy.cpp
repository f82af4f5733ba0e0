// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <numeric>
#include <reprise/core/error.hpp>
#include <reprise/threshold/threshold_policy.hpp>
#include <span>
#include <string>
#include <vector>

#include "support/seed.hpp"
#include "support/threshold_conformance.hpp"

using reprise::thresholds;

namespace {

/// Outside of the library: layers that reach half of the largest.
struct HalfOfMost {
  double operator()(std::span<const double> gradients) const {
    return *std::max_element(gradients.begin(), gradients.end()) / 2;
  }
};
/// Outside of the library: a layer stays above for one call longer than it is above the mean.
struct Lingers {
  std::vector<double> operator()(std::span<const double> gradients) {
    const double mean = std::accumulate(gradients.begin(), gradients.end(), 0.0) /
                        static_cast<double>(gradients.size());
    above.resize(gradients.size());
    std::vector<double> taus(gradients.size(), mean);
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      if (above[i]) taus[i] = mean / 2;
      above[i] = gradients[i] > taus[i];
    }
    return taus;
  }
  [[nodiscard]] std::vector<bool> state() const { return above; }
  void restore(const std::vector<bool>& state) { above = state; }
  std::vector<bool> above{};
};

struct CountsItsCalls {
  double operator()(std::span<const double>) { return calls++ % 2 == 0 ? 0.0 : 1e300; }
  int calls = 0;
};
struct SharesItsCalls {
  double operator()(std::span<const double>) { return static_cast<double>(++*calls); }
  std::shared_ptr<int> calls = std::make_shared<int>(0);
};
struct SkipsALayer {
  std::vector<double> operator()(std::span<const double> gradients) const {
    return {gradients.begin() + 1, gradients.end()};
  }
};
struct DividesByItself {
  double operator()(std::span<const double> gradients) const { return gradients[0] / gradients[0]; }
};
struct StartsWithAState : Lingers {
  StartsWithAState() { above = {true}; }
};
struct ForgetsItsState : Lingers {
  void restore(const std::vector<bool>& state) { above.assign(state.size(), false); }
};

template <class P>
std::string fault_of(const P& policy) {
  REPRISE_SEEDED(random);
  if constexpr (reprise::StatefulThresholdPolicy<P>) {
    return reprise_test::fault_of_stateful_threshold_policy(policy, random);
  } else {
    return reprise_test::fault_of_threshold_policy(policy, random);
  }
}

}  // namespace

TEST_CASE("a policy of one's own conforms by one line") {
  reprise_test::check_threshold_policy(HalfOfMost{});
  reprise_test::check_stateful_threshold_policy(Lingers{});
}

TEST_CASE("a policy that offends against the concept's semantics is found out") {
  CHECK(fault_of(CountsItsCalls{}) == "called again, it decides otherwise");
  CHECK(fault_of(SharesItsCalls{}) == "a copy of it has other thresholds for the same statistics");
  CHECK(fault_of(SkipsALayer{}).starts_with("it cannot be called with finite statistics: "));
  CHECK(fault_of(DividesByItself{}).ends_with("threshold 0 is not a number"));
  CHECK(fault_of(StartsWithAState{}) == "it has a state before its first call");
  CHECK(fault_of(ForgetsItsState{}) == "restored, it has another state");
}

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
