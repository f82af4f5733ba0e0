// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// expect: it needs for_each_gradient\(node, f\)

#include <reprise/stats/gradient_stat_tracker.hpp>
#include <span>
#include <vector>

struct Traits {
  unsigned layer = 0;
};
struct Engine {
  std::vector<float> gradient;
  [[nodiscard]] std::size_t size() const { return 1; }
  [[nodiscard]] Traits traits(std::size_t) const { return {}; }
#ifdef REPRISE_POSITIVE
  void for_each_gradient(std::size_t, auto&& f) { f(std::span<float>(gradient)); }
#endif
};

int main() {
  Engine engine{std::vector<float>(2)};
  const reprise::GradientStatTracker tracker{engine, reprise::Ema{.beta = 0.9}};
  return static_cast<int>(tracker.steps());
}
