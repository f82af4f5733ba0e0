// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Bytes and costs of a layer graph's nodes for one set of input shapes.

#include <algorithm>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <reprise/core/arguments.hpp>
#include <reprise/core/byte_sum.hpp>
#include <reprise/core/error.hpp>
#include <reprise/core/hash.hpp>
#include <reprise/core/layer_graph.hpp>
#include <reprise/core/layer_graph_check.hpp>
#include <reprise/core/node_traits.hpp>
#include <reprise/core/optional_names.hpp>
#include <reprise/core/pass_context.hpp>
#include <reprise/core/saved_state.hpp>
#include <reprise/core/tensor.hpp>
#include <reprise/core/tensor_check.hpp>
#include <reprise/program/cost/any_operation_clock.hpp>
#include <reprise/program/engine_state_guard.hpp>
#include <reprise/program/sweep_forward.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// What one node makes and costs.
///
/// A node that saves no bytes never saves any: what a pass finds it to save is refused. One that
/// made nothing at all when it was measured, as an expert to which no token was sent, is therefore
/// said to save one byte.
struct NodeProfile {
  std::vector<byte_count> output_bytes{};    ///< a port each; 0 for parameters
  std::vector<byte_count> gradient_bytes{};  ///< of each port's gradient
  byte_count saved_bytes = 0;                ///< resident state included
  /// Of these, by tensor in the order of `for_each_saved_tensor`; 0 for one that has none of its
  /// own: empty, a parameter, or sharing memory with another one. Empty where nobody looked.
  std::vector<byte_count> saved_tensor_bytes{};
  NodeCosts costs{};             ///< that the node declares, if it does
  double forward_seconds = 0;    ///< of its first run; 0: not known
  double recompute_seconds = 0;  ///< of every further run; 0: as the first
  double backward_seconds = 0;   ///< 0: twice as long as the forward
  /// Names its type, input shapes and declared costs: nodes of one kind take the same time.
  std::uint64_t kind = 0;
};

/// All nodes for one set of input shapes: given by the engine, or measured.
///
/// Where sizes depend on what is in the inputs, not on their shapes only, it says the most: what
/// the engine declares (here, or as `NodeCosts::max_output_bytes` and `max_saved_bytes`), or what
/// was seen so far. A pass that makes more goes on if its plan still fits the budget, otherwise it
/// is refused with ProfileMismatch; the profile grows in either case.
struct Profile {
  std::vector<byte_count> input_bytes{};  ///< of each graph input: the bytes of its gradient
  std::vector<NodeProfile> nodes{};       ///< by their index in the graph
  byte_count held_bytes = 0;              ///< what measuring held at most between nodes
};

/// The bytes of saved state that a node keeps in itself.
template <LayerGraph G>
[[nodiscard]] byte_count resident_bytes(const G& graph, std::size_t node) {
  if constexpr (requires { graph.resident_bytes(node); }) {
    return graph.resident_bytes(node);
  } else {
    return 0;
  }
}

/// Checks that a profile is one of this graph, whoever made it. Linear in the nodes.
/// @throws InvalidArgument if it has another number of inputs, nodes or ports, or a cost that is
///   negative or not finite.
template <LayerGraph G>
void check_profile(const G& graph, const Profile& profile) {
  const auto refuse = [](const std::string& profile_has, std::size_t graph_has) {
    throw InvalidArgument("a profile of " + profile_has + " for a graph of " +
                          std::to_string(graph_has));
  };
  if (profile.nodes.size() != graph.size()) {
    refuse(std::to_string(profile.nodes.size()) + " nodes", graph.size());
  }
  if (profile.input_bytes.size() != graph.input_count()) {
    refuse(std::to_string(profile.input_bytes.size()) + " inputs", graph.input_count());
  }
  for (std::size_t n = 0; n < profile.nodes.size(); ++n) {
    const NodeProfile& node = profile.nodes[n];
    const std::size_t ports = static_cast<NodeTraits>(graph.traits(n)).output_count;
    if (node.output_bytes.size() != ports || node.gradient_bytes.size() != ports) {
      refuse(std::to_string(node.output_bytes.size()) + " outputs and " +
                 std::to_string(node.gradient_bytes.size()) + " gradients of node " +
                 std::to_string(n),
             ports);
    }
    for (const double cost :
         {node.forward_seconds, node.recompute_seconds, node.backward_seconds,
          node.costs.forward_flops.value_or(0), node.costs.backward_flops.value_or(0),
          node.costs.forward_seconds.value_or(0), node.costs.backward_seconds.value_or(0)}) {
      if (std::isfinite(cost) && cost >= 0) continue;
      throw InvalidArgument("the profile of node " + std::to_string(n) + " has a cost of " +
                            std::to_string(cost));
    }
  }
}

/// Grows what is known of a node to the most that was seen: bytes and costs, each on its own. A
/// node that declares FLOPs or seconds in one only is taken to declare them.
inline void grow(NodeProfile& profile, const NodeProfile& seen) {
  const auto grow_all = [](std::vector<byte_count>& known, const std::vector<byte_count>& others) {
    known.resize(std::max(known.size(), others.size()));
    for (std::size_t i = 0; i < others.size(); ++i) known[i] = std::max(known[i], others[i]);
  };
  grow_all(profile.output_bytes, seen.output_bytes);
  grow_all(profile.gradient_bytes, seen.gradient_bytes);
  profile.saved_bytes = std::max(profile.saved_bytes, seen.saved_bytes);
  grow_all(profile.saved_tensor_bytes, seen.saved_tensor_bytes);
  NodeCosts& costs = profile.costs;
  // An empty optional is less than any number.
  costs.forward_flops = std::max(costs.forward_flops, seen.costs.forward_flops);
  costs.backward_flops = std::max(costs.backward_flops, seen.costs.backward_flops);
  costs.forward_seconds = std::max(costs.forward_seconds, seen.costs.forward_seconds);
  costs.backward_seconds = std::max(costs.backward_seconds, seen.costs.backward_seconds);
  costs.forward_transient_bytes =
      std::max(costs.forward_transient_bytes, seen.costs.forward_transient_bytes);
  costs.backward_transient_bytes =
      std::max(costs.backward_transient_bytes, seen.costs.backward_transient_bytes);
  grow_all(costs.max_output_bytes, seen.costs.max_output_bytes);
  costs.max_saved_bytes = std::max(costs.max_saved_bytes, seen.costs.max_saved_bytes);
  profile.forward_seconds = std::max(profile.forward_seconds, seen.forward_seconds);
  profile.recompute_seconds = std::max(profile.recompute_seconds, seen.recompute_seconds);
  profile.backward_seconds = std::max(profile.backward_seconds, seen.backward_seconds);
}

/// Grows a profile to the most that was seen, where sizes depend on data. Linear in the nodes.
/// @throws InvalidArgument if the two are not of one graph.
inline void grow(Profile& profile, const Profile& seen) {
  if (profile.nodes.size() != seen.nodes.size() ||
      profile.input_bytes.size() != seen.input_bytes.size()) {
    throw InvalidArgument("a profile of " + std::to_string(seen.nodes.size()) + " nodes and " +
                          std::to_string(seen.input_bytes.size()) + " inputs for one of " +
                          std::to_string(profile.nodes.size()) + " and " +
                          std::to_string(profile.input_bytes.size()));
  }
  for (std::size_t i = 0; i < seen.input_bytes.size(); ++i) {
    profile.input_bytes[i] = std::max(profile.input_bytes[i], seen.input_bytes[i]);
  }
  for (std::size_t n = 0; n < seen.nodes.size(); ++n) grow(profile.nodes[n], seen.nodes[n]);
  profile.held_bytes = std::max(profile.held_bytes, seen.held_bytes);
}

namespace profiling {

/// Whether the graph knows its sizes and costs itself.
template <LayerGraph G>
inline constexpr bool gives_profile = requires(G& graph,
                                               Arguments<typename G::tensor_type> inputs) {
  { graph.profile(inputs) } -> std::convertible_to<Profile>;
};

/// Names the type of a node, its traits and what it declares; without a type that the graph names,
/// each node is the only one of its kind.
template <LayerGraph G>
[[nodiscard]] std::uint64_t kind_of(const G& graph, std::size_t node, const NodeCosts& costs) {
  std::uint64_t kind = node + 1;
  if constexpr (requires { graph.node_type(node); }) kind = graph.node_type(node);
  NodeTraits traits = graph.traits(node);
  traits.layer = 0;
  kind = hash_combine(kind, fingerprint(traits));
  const auto add = [&kind](std::uint64_t word) { kind = hash_combine(kind, word); };
  for (const std::optional<double>& cost :
       {costs.forward_flops, costs.backward_flops, costs.forward_seconds, costs.backward_seconds}) {
    add(cost ? std::bit_cast<std::uint64_t>(*cost) : 1);
  }
  add(costs.forward_transient_bytes);
  add(costs.backward_transient_bytes);
  return kind;
}

/// The same of a node in a profile that the engine gives, with the bytes of what it reads and
/// makes.
template <LayerGraph G>
[[nodiscard]] std::uint64_t kind_of_given(const G& graph, const Profile& profile, std::size_t node,
                                          std::span<typename G::tensor_type* const> inputs) {
  const NodeProfile& given = profile.nodes[node];
  std::uint64_t kind = kind_of(graph, node, given.costs);
  for (const Source& source : graph.inputs(node)) {
    kind = hash_combine(kind, source.is_graph_input()
                                  ? shape_signature(*inputs[source.port])
                                  : profile.nodes[source.node].output_bytes[source.port]);
  }
  for (const byte_count bytes : given.output_bytes) kind = hash_combine(kind, bytes);
  return hash_combine(kind, given.saved_bytes);
}

/// Seconds in a profile that the engine gives are declared ones.
inline void declare_seconds(NodeProfile& given) {
  if (!given.costs.forward_seconds && given.forward_seconds > 0) {
    given.costs.forward_seconds = given.forward_seconds;
  }
  if (!given.costs.backward_seconds && given.backward_seconds > 0) {
    given.costs.backward_seconds = given.backward_seconds;
  }
}

/// Notes bytes and costs of each node while a forward sweeps over them.
template <LayerGraph G>
class Measurement {
 public:
  using T = typename G::tensor_type;

  Measurement(G& graph, AnyOperationClock clock) : graph_(graph), clock_(std::move(clock)) {}

  void before(std::size_t node, Arguments<T> inputs) {
    NodeProfile& profile = profile_.nodes.emplace_back();
    if constexpr (requires { graph_.costs(node, inputs); }) {
      profile.costs = graph_.costs(node, inputs);
    }
    profile.kind = kind_of(graph_, node, profile.costs);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      profile.kind = hash_combine(profile.kind, shape_signature(inputs[i]));
    }
    begins_.push_back(clock_.mark());
  }

  void after(std::size_t node, std::span<const T> outputs, const typename G::saved_type& saved) {
    ends_.push_back(clock_.mark());
    NodeProfile& profile = profile_.nodes[node];
    byte_count& held = held_outputs_.emplace_back(0);
    for (const T& output : outputs) {
      profile.kind = hash_combine(profile.kind, shape_signature(output));
      profile.output_bytes.push_back(counted_bytes(output));
      profile.gradient_bytes.push_back(tensor_traits<T>::bytes(output));
      held = sum(node, held, profile.output_bytes.back());
    }
    const byte_count resident = resident_bytes(graph_, node);
    if (resident != 0 && !static_cast<NodeTraits>(graph_.traits(node)).has_resident_state) {
      throw InvalidGraph("node " + std::to_string(node) + " keeps " + std::to_string(resident) +
                         " bytes in itself, and its traits do not say has_resident_state");
    }
    profile.saved_bytes = sum(node, saved_bytes(saved), resident);
    profile.saved_tensor_bytes = tensor_bytes_of(saved);
    profile.kind = hash_combine(profile.kind, profile.saved_bytes);
    held_ = sum(node, held_, held);
    profile_.held_bytes = std::max(profile_.held_bytes, sum(node, held_, profile.saved_bytes));
    const bool made_nothing = profile.saved_bytes == 0 && std::ranges::all_of(outputs, is_empty);
    apply_declared(node, profile);
    if (made_nothing) profile.saved_bytes = std::max<byte_count>(profile.saved_bytes, 1);
  }

  void gone(std::size_t node) { held_ -= held_outputs_[node]; }

  [[nodiscard]] Profile profile() && {
    clock_.finish();
    for (std::size_t node = 0; node < profile_.nodes.size(); ++node) {
      const std::optional<double> seconds = clock_.seconds_between(begins_[node], ends_[node]);
      const bool is_time = seconds && std::isfinite(*seconds) && *seconds > 0;
      profile_.nodes[node].forward_seconds = is_time ? *seconds : 0;
    }
    return std::move(profile_);
  }

 private:
  [[nodiscard]] static std::vector<byte_count> tensor_bytes_of(
      const typename G::saved_type& saved) {
    std::vector<const void*> storages;
    std::vector<byte_count> bytes;
    for_each_saved_tensor<T>(saved, [&](const T& tensor) {
      storages.push_back(tensor_traits<T>::storage(tensor));
      bytes.push_back(storages.back() == nullptr ? 0 : counted_bytes(tensor));
    });
    for (std::size_t i = 0; i < storages.size(); ++i) {
      if (std::ranges::count(storages, storages[i]) > 1) bytes[i] = 0;
    }
    return bytes;
  }

  [[nodiscard]] static bool is_empty(const T& tensor) {
    return tensor_traits<T>::bytes(tensor) == 0;
  }

  static void apply_declared(std::size_t node, NodeProfile& profile) {
    const std::vector<byte_count>& most = profile.costs.max_output_bytes;
    if (!most.empty() && most.size() != profile.output_bytes.size()) {
      throw InvalidArgument("node " + std::to_string(node) + " declares the most bytes of " +
                            std::to_string(most.size()) + " outputs and has " +
                            std::to_string(profile.output_bytes.size()));
    }
    for (std::size_t port = 0; port < most.size(); ++port) {
      profile.output_bytes[port] = std::max(profile.output_bytes[port], most[port]);
      profile.gradient_bytes[port] = std::max(profile.gradient_bytes[port], most[port]);
    }
    profile.saved_bytes = std::max(profile.saved_bytes, profile.costs.max_saved_bytes);
  }

  [[nodiscard]] static byte_count sum(std::size_t node, byte_count a, byte_count b) {
    if (const std::optional<byte_count> both = byte_sum(a, b)) return *both;
    throw InvalidArgument("at node " + std::to_string(node) + " " + std::to_string(a) + " and " +
                          std::to_string(b) + " bytes are held, more than 64 bits count");
  }

  G& graph_;
  AnyOperationClock clock_;
  Profile profile_;
  std::vector<std::uint64_t> begins_;     ///< marks, by node
  std::vector<std::uint64_t> ends_;       ///< marks, by node
  byte_count held_ = 0;                   ///< now, outputs only
  std::vector<byte_count> held_outputs_;  ///< of it, by node
};

/// Compiles unless the graph, or its tensors' traits, name something optional that nothing could
/// call.
template <LayerGraph G>
constexpr bool check_optional() {
  static_assert(!naming::NamesProfile<G> || profiling::gives_profile<G>,
                "the graph's profile cannot be called with the signature reprise::Profile "
                "profile(reprise::Arguments<T> inputs)");
  return layer_graph_check::check_optional<G>() &&
         tensor_check::check_optional<typename G::tensor_type>();
}

}  // namespace profiling

/// The profile of a graph for the inputs at hand: the engine's own where the graph has
/// `profile(inputs)`, whose seconds count as declared, otherwise measured in one extra forward that
/// keeps only what later nodes read and leaves no trace in the engine's own state, also if it
/// throws.
/// @param clock measures the seconds of that forward, a first estimate: caches are cold
template <LayerGraph G>
[[nodiscard]] Profile make_profile(G& graph, std::span<typename G::tensor_type* const> inputs,
                                   PassContext::Identity identity, AnyOperationClock clock = {}) {
  using T = typename G::tensor_type;
  static_assert(profiling::check_optional<G>());
  if constexpr (profiling::gives_profile<G>) {
    Profile profile = graph.profile(Arguments<T>(inputs));
    check_profile(graph, profile);
    for (std::size_t node = 0; node < graph.size(); ++node) {
      NodeProfile& given = profile.nodes[node];
      profiling::declare_seconds(given);
      if (given.kind == 0) given.kind = profiling::kind_of_given(graph, profile, node, inputs);
    }
    return profile;
  } else {
    profiling::Measurement<G> measurement(graph, std::move(clock));
    const EngineStateGuard<G> unmoved(graph);
    sweep_forward(graph, inputs, PassContext(identity, PassMode::profiling), false, measurement);
    Profile profile = std::move(measurement).profile();
    for (const T* input : inputs) profile.input_bytes.push_back(tensor_traits<T>::bytes(*input));
    return profile;
  }
}

}  // namespace reprise::inline v0
