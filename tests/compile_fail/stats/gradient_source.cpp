// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// expect: HasGradients|for_each_gradient

// A graph that does not show its gradients has no statistics.

#include <cstddef>
#include <cstdint>
#include <reprise/stats/gradient_source.hpp>
#include <span>
#include <vector>

struct Traits {
  std::uint32_t layer;
};

struct Graph {
  std::vector<float> gradient;
  std::size_t size() const { return 1; }
  Traits traits(std::size_t) const { return {0}; }
#ifdef REPRISE_POSITIVE
  template <class F>
  void for_each_gradient(std::size_t, F&& f) {
    f(std::span<float>(gradient));
  }
#endif
};

template <reprise::GradientSource G>
void use(G&) {}

void call(Graph& graph) { use(graph); }
