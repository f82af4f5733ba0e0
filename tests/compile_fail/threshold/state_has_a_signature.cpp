// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// expect: the policy's state and restore cannot be called with the signatures

#include <reprise/planner/gradient_threshold.hpp>
#include <span>
#include <vector>

struct Remembering {
  double operator()(std::span<const double>) { return 0; }
  [[nodiscard]] std::vector<bool> state() const { return {}; }
#ifdef REPRISE_POSITIVE
  void restore(const std::vector<bool>&) {}
#endif
};

int main() {
  const reprise::GradientThreshold planner{Remembering{}};
  return static_cast<int>(sizeof planner);
}
