// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// expect: NodeCosts costs\(.*std::uint64_t shape_signature\(.*void for_each_gradient\(.*std::string
// layer_name\(.*std::any capture_state\(.*byte_count resident_bytes\(.*reprise::Profile profile\(

// Each of the optional members of an engine's own graph, with one argument too many.

#include <any>
#include <reprise/program/profile.hpp>
#include <string>
#include <vector>

#include "support/plain_graph.hpp"

#ifdef REPRISE_POSITIVE
using More = reprise_test::PlainGraph;
#else
struct More : reprise_test::PlainGraph {
  reprise::NodeCosts costs(std::size_t, Tensors, int) { return {}; }
  std::uint64_t shape_signature(int) { return 0; }
  void for_each_gradient(std::size_t) {}
  [[nodiscard]] std::string layer_name(std::uint32_t, int) const { return {}; }
  [[nodiscard]] std::any capture_state() const { return {}; }
  void restore_state(std::size_t, const std::any&) {}
  [[nodiscard]] reprise::byte_count resident_bytes() const { return 0; }
  void release_resident(std::size_t) {}
  reprise::Profile profile(Tensors, int) { return {}; }
};
#endif

struct Same : reprise_test::PlainGraph {
  reprise::NodeCosts costs(std::size_t, Tensors) { return {}; }
  static std::uint64_t shape_signature() { return 0; }
  template <class F>
  void for_each_gradient(std::size_t, F&&) {}
  [[nodiscard]] static std::string layer_name(std::uint32_t) { return {}; }
  [[nodiscard]] std::any capture_state(std::size_t) const { return {}; }
  void restore_state(std::size_t, const std::any&) {}
  [[nodiscard]] reprise::byte_count resident_bytes(std::size_t) const { return 0; }
  void release_resident(std::size_t) {}
  reprise::Profile profile(Tensors) { return {}; }
};

template <class Graph>
std::size_t nodes_of(Graph graph) {
  std::vector<float> x{1.0F};
  const std::vector<std::vector<float>*> inputs{&x};
  return reprise::make_profile(graph, inputs, {}).nodes.size();
}

int main() { return static_cast<int>(nodes_of(More{}) + nodes_of(Same{})); }
