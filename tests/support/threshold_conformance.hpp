// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What each threshold policy must do; a model is tested by one line.

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <reprise/core/error.hpp>
#include <reprise/threshold/threshold_policy.hpp>
#include <span>
#include <string>
#include <vector>

#include "support/seed.hpp"

namespace reprise_test {

/// Statistics as they come: squared norms over many magnitudes, with ties and zeros.
inline std::vector<double> random_statistics(std::mt19937_64& random, std::size_t most = 40) {
  std::lognormal_distribution<double> norm(0.0, 4.0);
  std::vector<double> gradients(1 + random() % most);
  for (double& gradient : gradients) {
    gradient = random() % 8 == 0 ? 0.0 : norm(random);
    if (random() % 4 == 0) gradient = gradients.front();
  }
  return gradients;
}

/// Which layers are above.
inline std::vector<bool> above(std::span<const double> gradients, std::span<const double> taus) {
  std::vector<bool> is_above(gradients.size());
  for (std::size_t i = 0; i < gradients.size(); ++i) is_above[i] = gradients[i] > taus[i];
  return is_above;
}

/// Whether the statistics are refused.
template <reprise::ThresholdPolicy P>
[[nodiscard]] bool is_refused(P& policy, const std::vector<double>& gradients) {
  try {
    static_cast<void>(reprise::thresholds(policy, gradients, 0));
    return false;
  } catch (const reprise::InvalidArgument&) {
    return true;
  }
}

/// What a policy with valid parameters does wrong; empty if it keeps the concept's semantics.
template <reprise::ThresholdPolicy P>
[[nodiscard]] std::string fault_of_threshold_policy(const P& policy, std::mt19937_64& random) {
  try {
    for (int i = 0; i < 200; ++i) {
      P tried = policy;  // its first call, each time
      const std::vector<double> gradients = random_statistics(random);
      const std::uint64_t step = random() % 300;
      const std::vector<double> taus = reprise::thresholds(tried, gradients, step);
      P fresh = policy;
      if (reprise::thresholds(fresh, gradients, step) != taus) {
        return "a copy of it has other thresholds for the same statistics";
      }
      const std::vector<double> again = reprise::thresholds(tried, gradients, step);
      if (above(gradients, again) != above(gradients, taus)) {
        return "called again, it decides otherwise";
      }
    }
  } catch (const reprise::InvalidArgument& refused) {
    return std::string("it cannot be called with finite statistics: ") + refused.what();
  }
  P tried = policy;
  if (!is_refused(tried, {})) return "it takes no statistics";
  for (const double bad :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    if (!is_refused(tried, {1.0, bad})) return "it takes what is not finite";
  }
  return "";
}

/// Holds a policy with valid parameters to the concept's semantics: a new one is a header and a
/// line with this.
template <reprise::ThresholdPolicy P>
void check_threshold_policy(const P& policy) {
  REPRISE_SEEDED(random);
  const std::string fault = fault_of_threshold_policy(policy, random);
  CHECK_MESSAGE(fault.empty(), fault);
}

/// What a stateful policy does wrong; empty if, resumed from its state, it decides the same.
template <reprise::StatefulThresholdPolicy P>
[[nodiscard]] std::string fault_of_stateful_threshold_policy(const P& policy,
                                                             std::mt19937_64& random) {
  if (std::string fault = fault_of_threshold_policy(policy, random); !fault.empty()) return fault;
  if (!P(policy).state().empty()) return "it has a state before its first call";
  for (int round = 0; round < 5; ++round) {
    P original = policy;
    std::vector<double> gradients = random_statistics(random);
    for (std::uint64_t step = 0; step < 200; ++step) {
      P resumed = policy;
      resumed.restore(original.state());
      if (resumed.state() != original.state()) return "restored, it has another state";
      for (double& gradient : gradients) gradient *= 0.8 + 0.4 * static_cast<double>(random() % 2);
      if (reprise::thresholds(resumed, gradients, step) !=
          reprise::thresholds(original, gradients, step)) {
        return "resumed from its state, it decides otherwise";
      }
      if (resumed.state() != original.state()) return "resumed, it comes to another state";
    }
  }
  return "";
}

/// Holds a stateful policy to the concept's semantics.
template <reprise::StatefulThresholdPolicy P>
void check_stateful_threshold_policy(const P& policy) {
  REPRISE_SEEDED(random);
  const std::string fault = fault_of_stateful_threshold_policy(policy, random);
  CHECK_MESSAGE(fault.empty(), fault);
}

/// Checks that a policy refuses its parameters when it is called.
template <reprise::ThresholdPolicy P>
void check_refused(P policy) {
  const std::vector<double> gradients{1.0, 2.0, 3.0};
  CHECK_THROWS_AS(static_cast<void>(reprise::thresholds(policy, gradients, 0)),
                  reprise::InvalidArgument);
}

}  // namespace reprise_test
