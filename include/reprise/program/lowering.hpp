// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// From a layer graph and its profile to a program.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <reprise/core/byte_sum.hpp>
#include <reprise/core/error.hpp>
#include <reprise/core/layer_graph.hpp>
#include <reprise/core/mutant.hpp>
#include <reprise/program/check_program.hpp>
#include <reprise/program/cost/cost_model.hpp>
#include <reprise/program/price_nodes.hpp>
#include <reprise/program/profile.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/saved_values.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// A program, and where the layer graph's tensors are among its values.
struct LoweredGraph {
  static constexpr value_id no_value = 0xFFFFFFFFU;  ///< in place of what the graph does not have

  Program program;  ///< its operations: the forwards, the loss, the backwards in reverse
  std::vector<value_id> inputs;                  ///< graph input -> value
  std::vector<std::vector<value_id>> outputs;    ///< node, port -> value
  std::vector<value_id> saved;                   ///< node -> value, or `no_value`
  std::vector<std::vector<value_id>> gradients;  ///< node, port -> value, or `no_value`
  std::vector<value_id> input_gradients;         ///< graph input -> value, or `no_value`
  /// What a pass that recomputes nothing costs, in the program's unit: each forward and each
  /// backward once, as a first run; the loss is not known.
  double store_all_cost = 0;
  /// By node: tensors that are values of their own, see `SavedValues`; empty for none at all.
  std::vector<std::vector<SavedTensor>> saved_tensors{};
};

namespace lowering {

[[noreturn]] inline void refuse(std::size_t node, const std::string& why) {
  throw InvalidGraph("node " + std::to_string(node) + " " + why);
}

template <LayerGraph G>
void check_consumption(const G& graph, std::size_t node) {
  const NodeTraits traits = graph.traits(node);
  if (traits.consumes.input_index == Consumes::nothing) return;
  const auto index = static_cast<std::size_t>(traits.consumes.input_index);
  const std::span<const Source> inputs = graph.inputs(node);
  if (index >= inputs.size()) refuse(node, "consumes an input that it does not have");
  const Source source = inputs[index];
  if (source.is_graph_input()) refuse(node, "consumes a graph input, which is the engine's");
  const NodeTraits maker = graph.traits(source.node);
  if (maker.view_of) refuse(node, "consumes a view");
  if (maker.backward_reads.of_output) {
    refuse(node, "consumes the output of node " + std::to_string(source.node) +
                     ", which reads it in backward");
  }
  if (traits.backward_reads.has_input(index)) refuse(node, "reads in backward what it consumes");
  for (const Source& output : graph.outputs()) {
    if (output == source) refuse(node, "consumes an output of the graph");
  }
  for (std::size_t other = 0; other < graph.size(); ++other) {
    const std::span<const Source> reads = graph.inputs(other);
    for (std::size_t i = 0; i < reads.size(); ++i) {
      if (reads[i] == source && !(other == node && i == index)) {
        refuse(node, "consumes what node " + std::to_string(other) + " reads too");
      }
    }
    const NodeTraits reader = graph.traits(other);
    if (reader.view_of && reads[*reader.view_of] == source)
      refuse(node, "consumes a view's source");
  }
}

// Each output has one gradient.
template <LayerGraph G>
void check_outputs_differ(const G& graph) {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> outputs;
  for (const Source& output : graph.outputs()) outputs.emplace_back(output.node, output.port);
  std::ranges::sort(outputs);
  const auto twice = std::ranges::adjacent_find(outputs);
  if (twice == outputs.end()) return;
  refuse(twice->first,
         "has port " + std::to_string(twice->second) + " twice among the graph's outputs");
}

/// Whether the graph says what nodes keep in themselves, and lets go of it.
template <LayerGraph G>
inline constexpr bool keeps_resident = requires(G& graph, std::size_t node) {
  graph.resident_bytes(node);
  graph.release_resident(node);
};

/// @throws InvalidGraph if a source comes later than its reader, a port does not exist, nothing is
///   an output, a node consumes what is not its own or keeps what the graph does not speak of, or
///   layers are numbered with far more gaps than there are nodes.
template <LayerGraph G>
void check_graph(const G& graph) {
  const auto check_source = [&](std::size_t reader, Source source) {
    if (source.is_graph_input()
            ? source.port >= graph.input_count()
            : source.node >= reader || source.port >= graph.traits(source.node).output_count) {
      refuse(reader, "reads port " + std::to_string(source.port) + " of " +
                         (source.is_graph_input() ? "the graph's inputs"
                                                  : "node " + std::to_string(source.node)) +
                         ", which is not there before it");
    }
  };
  for (std::size_t node = 0; node < graph.size(); ++node) {
    for (const Source& source : graph.inputs(node)) check_source(node, source);
    const NodeTraits traits = graph.traits(node);
    if (traits.view_of && *traits.view_of >= graph.inputs(node).size()) {
      refuse(node, "is a view of an input that it does not have");
    }
    if (traits.has_resident_state && !keeps_resident<G>) {
      refuse(node,
             "keeps state in itself by its traits, of a graph without resident_bytes and "
             "release_resident");
    }
  }
  for (std::size_t node = 0; node < graph.size(); ++node) check_consumption(graph, node);
  if (graph.outputs().empty()) throw InvalidGraph("the graph has no output");
  for (const Source& output : graph.outputs()) {
    if (output.is_graph_input()) throw InvalidGraph("a graph input cannot be a graph output");
    check_source(graph.size(), output);
  }
  check_outputs_differ(graph);
  const std::size_t layers = layer_count(graph);
  if (layers > graph.size() + program_check::most_empty_layers) {
    throw InvalidGraph(std::to_string(layers) + " layers of " + std::to_string(graph.size()) +
                       " nodes: more than " + std::to_string(program_check::most_empty_layers) +
                       " have none");
  }
}

template <LayerGraph G>
class Lowering {
 public:
  Lowering(const G& graph, const Profile& profile, bool wants_input_gradients,
           const CostModel& costs, SavedValues saved_values)
      : graph_(graph),
        profile_(profile),
        wants_input_gradients_(wants_input_gradients),
        saved_values_(saved_values) {
    check_profile(graph, profile);
    prices_ = price_nodes(graph, profile, costs);
  }

  [[nodiscard]] LoweredGraph run() {
    add_inputs();
    for (std::size_t node = 0; node < graph_.size(); ++node) add_forward(node);
    find_wanted_gradients();
    add_loss();
    for (std::size_t node = graph_.size(); node-- > 0;) add_backward(node);
    return {.program = Program(std::move(values_), std::move(operations_), loss_,
                               layer_count(graph_), prices_.are_flops),
            .inputs = std::move(inputs_),
            .outputs = std::move(outputs_),
            .saved = std::move(saved_),
            .gradients = std::move(gradients_),
            .input_gradients = std::move(input_gradients_),
            .store_all_cost = store_all_cost_,
            .saved_tensors = std::move(saved_tensors_)};
  }

 private:
  static constexpr value_id no_value = LoweredGraph::no_value;

  value_id add_value(const Value& value) {
    values_.push_back(value);
    return static_cast<value_id>(values_.size() - 1);
  }
  [[nodiscard]] value_id output_of(Source source) const {
    return source.is_graph_input() ? inputs_[source.port] : outputs_[source.node][source.port];
  }
  [[nodiscard]] value_id& gradient_of(Source source) {
    return source.is_graph_input() ? input_gradients_[source.port]
                                   : gradients_[source.node][source.port];
  }
  [[nodiscard]] byte_count gradient_bytes(Source source) const {
    return source.is_graph_input() ? profile_.input_bytes[source.port]
                                   : profile_.nodes[source.node].gradient_bytes[source.port];
  }
  [[nodiscard]] bool is_wanted(Source source) const {
    return source.is_graph_input() ? wants_input_gradients_ : wants_gradient_[source.node] != 0;
  }

  void add_inputs() {
    for (std::uint32_t i = 0; i < graph_.input_count(); ++i) {
      inputs_.push_back(add_value({.kind = ValueKind::input, .port = i}));
    }
    input_gradients_.assign(graph_.input_count(), no_value);
  }

  // Not if the node says so, nor if its input is taken over and cannot be recomputed.
  [[nodiscard]] bool can_run_again(std::size_t node, const NodeTraits& traits) const {
    if (!traits.can_recompute || traits.consumes.input_index == Consumes::nothing) {
      return traits.can_recompute;
    }
    const auto consumed = static_cast<std::size_t>(traits.consumes.input_index);
    return operations_[graph_.inputs(node)[consumed].node].repeatable;
  }

  void add_forward(std::size_t node) {
    const NodeTraits traits = graph_.traits(node);
    const NodeProfile& profile = profile_.nodes[node];
    const auto id = static_cast<std::uint32_t>(node);
    Operation op{.kind = OperationKind::forward,
                 .node = id,
                 .layer = traits.layer,
                 .transient_bytes = is_broken(Mutant::transient_undeclared)
                                        ? 0
                                        : profile.costs.forward_transient_bytes,
                 .cost = prices_.nodes[node].recompute,
                 .repeatable = can_run_again(node, traits),
                 .can_skip_output = traits.can_skip_output};
    store_all_cost_ += prices_.nodes[node].forward;
    const std::span<const Source> sources = graph_.inputs(node);
    for (const Source& source : sources) op.reads.push_back(output_of(source));
    if (traits.consumes.input_index != Consumes::nothing) {
      op.consumes.push_back(
          output_of(sources[static_cast<std::size_t>(traits.consumes.input_index)]));
    }
    std::vector<value_id>& ports = outputs_.emplace_back();
    for (std::uint32_t port = 0; port < traits.output_count; ++port) {
      Value value{
          .kind = ValueKind::output, .node = id, .port = port, .bytes = profile.output_bytes[port]};
      if (traits.view_of) value.view_of = output_of(sources[*traits.view_of]);
      ports.push_back(add_value(value));
      op.writes.push_back(ports.back());
    }
    add_saved(node, traits, op);
    gradients_.emplace_back(traits.output_count, no_value);
    operations_.push_back(std::move(op));
  }

  // What a node keeps in itself is looked into by nobody.
  void add_saved(std::size_t node, const NodeTraits& traits, Operation& op) {
    const NodeProfile& profile = profile_.nodes[node];
    byte_count rest = profile.saved_bytes;
    std::vector<SavedTensor> tensors;
    if (saved_values_ == SavedValues::by_tensor && !traits.has_resident_state) {
      for (std::uint32_t i = 0; i < profile.saved_tensor_bytes.size(); ++i) {
        const byte_count bytes = profile.saved_tensor_bytes[i];
        if (bytes == 0) continue;
        tensors.push_back(
            {.number = i,
             .value = add_value(
                 {.kind = ValueKind::saved, .node = op.node, .port = i + 1, .bytes = bytes})});
        rest -= std::min(rest, bytes);
        op.writes.push_back(tensors.back().value);
      }
    }
    saved_.push_back(no_value);
    if (profile.saved_bytes > 0) {
      saved_.back() = add_value({.kind = ValueKind::saved, .node = op.node, .bytes = rest});
      op.writes.push_back(saved_.back());
    }
    if (saved_values_ == SavedValues::by_tensor) saved_tensors_.push_back(std::move(tensors));
  }

  // A gradient is wanted where a parameter, or a wanted graph input, lies before it.
  void find_wanted_gradients() {
    wants_gradient_.resize(graph_.size());
    for (std::size_t node = 0; node < graph_.size(); ++node) {
      const NodeTraits traits = graph_.traits(node);
      bool wanted = !traits.is_frozen;
      const std::span<const Source> sources = graph_.inputs(node);
      for (std::size_t i = 0; i < sources.size(); ++i) {
        wanted = wanted || (traits.differentiates.has_input(i) && is_wanted(sources[i]));
      }
      wants_gradient_[node] = wanted ? 1 : 0;
    }
  }

  value_id add_gradient(Source source) {
    const bool of_input = source.is_graph_input();
    return add_value({.kind = ValueKind::gradient,
                      .node = of_input ? Value::no_node : source.node,
                      .port = source.port,
                      .bytes = gradient_bytes(source),
                      .stays = of_input});
  }

  void add_loss() {
    loss_ = static_cast<operation_id>(operations_.size());
    Operation op{.kind = OperationKind::loss,
                 .layer = operations_.empty() ? 0 : operations_.back().layer};
    for (const Source& output : graph_.outputs()) {
      op.reads.push_back(output_of(output));
      gradient_of(output) = add_gradient(output);
      op.writes.push_back(gradient_of(output));
    }
    operations_.push_back(std::move(op));
  }

  void add_backward(std::size_t node) {
    const bool is_reached = std::ranges::any_of(
        gradients_[node], [](value_id gradient) { return gradient != no_value; });
    if (!is_reached || wants_gradient_[node] == 0) return;
    const NodeTraits traits = graph_.traits(node);
    const NodeProfile& profile = profile_.nodes[node];
    Operation op{.kind = OperationKind::backward,
                 .node = static_cast<std::uint32_t>(node),
                 .layer = traits.layer,
                 .transient_bytes = profile.costs.backward_transient_bytes,
                 .cost = prices_.nodes[node].backward,
                 .adds_in_place = traits.accumulates_in_place};
    store_all_cost_ += op.cost;
    add_backward_reads(node, traits, op);
    const std::span<const Source> sources = graph_.inputs(node);
    const std::uint32_t unwanted = unwanted_input_gradients(sources.size(), [&](std::size_t i) {
      return !traits.differentiates.has_input(i) || !is_wanted(sources[i]);
    });
    for (std::size_t i = 0; i < sources.size(); ++i) {
      if (!traits.differentiates.has_input(i)) continue;
      if (!is_wanted(sources[i])) {
        const bool knows = ((unwanted >> std::min<std::size_t>(i, 31)) & 1U) != 0;
        if (!traits.skips_unwanted_gradients || !knows) {
          add_transient(op, gradient_bytes(sources[i]));
        }
        continue;
      }
      value_id& gradient = gradient_of(sources[i]);
      if (gradient == no_value) {
        gradient = add_gradient(sources[i]);
        op.writes.push_back(gradient);
      } else {
        op.accumulates.push_back(gradient);
      }
    }
    operations_.push_back(std::move(op));
  }

  static void add_transient(Operation& op, byte_count bytes) {
    const std::optional<byte_count> sum = byte_sum(op.transient_bytes, bytes);
    if (!sum) {
      refuse(op.node, "has in backward a transient of " + std::to_string(op.transient_bytes) +
                          " and " + std::to_string(bytes) + " bytes, more than 64 bits count");
    }
    op.transient_bytes = *sum;
  }

  void add_backward_reads(std::size_t node, const NodeTraits& traits, Operation& op) {
    for (const value_id gradient : gradients_[node]) {
      if (gradient == no_value) continue;
      op.reads.push_back(gradient);
      if (traits.consumes.of_gradient) op.consumes.push_back(gradient);
    }
    if (saved_[node] != no_value) op.reads.push_back(saved_[node]);
    if (!saved_tensors_.empty()) {
      for (const SavedTensor& tensor : saved_tensors_[node]) {
        if (traits.tolerates_saved) op.tolerate(op.reads.size());
        if (traits.linear_saved) op.tolerate_linearly(op.reads.size());
        op.reads.push_back(tensor.value);
      }
    }
    const std::span<const Source> sources = graph_.inputs(node);
    for (std::size_t i = 0; i < sources.size(); ++i) {
      if (traits.backward_reads.has_input(i)) op.reads.push_back(output_of(sources[i]));
    }
    if (traits.backward_reads.of_output) {
      op.reads.insert(op.reads.end(), outputs_[node].begin(), outputs_[node].end());
    }
    for_each_named(node, traits, traits.tolerates, op, [&](std::size_t i) { op.tolerate(i); });
    for_each_named(node, traits, traits.linear, op,
                   [&](std::size_t i) { op.tolerate_linearly(i); });
  }

  // Of a value that is read in several roles: only where all of them are named.
  template <class F>
  void for_each_named(std::size_t node, const NodeTraits& traits, const Reads& named,
                      const Operation& op, F&& f) const {
    if (named == Reads{}) return;
    const std::span<const Source> sources = graph_.inputs(node);
    const auto is_read_otherwise = [&](value_id value) {
      for (std::size_t i = 0; i < sources.size(); ++i) {
        const bool is_read = traits.backward_reads.has_input(i) && output_of(sources[i]) == value;
        if (is_read && !named.has_input(i)) return true;
      }
      return traits.backward_reads.of_output && !named.of_output &&
             std::ranges::find(outputs_[node], value) != outputs_[node].end();
    };
    for (std::size_t i = 0; i < op.reads.size(); ++i) {
      const value_id read = op.reads[i];
      if (values_[read].kind == ValueKind::output && !is_read_otherwise(read)) f(i);
    }
  }

  const G& graph_;
  const Profile& profile_;
  bool wants_input_gradients_;
  SavedValues saved_values_;
  NodePrices prices_;
  double store_all_cost_ = 0;
  operation_id loss_ = 0;
  std::vector<Value> values_;
  std::vector<Operation> operations_;
  std::vector<value_id> inputs_;
  std::vector<std::vector<value_id>> outputs_;
  std::vector<value_id> saved_;
  std::vector<std::vector<SavedTensor>>
      saved_tensors_;  ///< by node; empty unless they are asked for
  std::vector<std::vector<value_id>> gradients_;
  std::vector<value_id> input_gradients_;
  std::vector<std::uint8_t> wants_gradient_;
};

}  // namespace lowering

/// Checks that a layer graph can be lowered. Linear in nodes, but for nodes that consume an input.
/// @throws InvalidGraph if it breaks a rule of `LayerGraph` or of consumption.
template <LayerGraph G>
void check_graph(const G& graph) {
  static_assert(profiling::check_optional<G>());
  lowering::check_graph(graph);
}

/// The program of a layer graph: each node's forward, the loss, each backward that a gradient
/// reaches, in reverse. The first part of a gradient becomes it, later ones are added.
///
/// @param wants_input_gradients whether the graph inputs' gradients are handed out; if not, they
///   count as transient where a node makes them all the same
/// @param costs what calls are priced by, see `price_nodes`; a forward's cost is that of
///   recomputing it
/// @param saved_values whether a saved state is one value, or each of its tensors is one; planners
///   have less to look at where they live and go together
/// @throws InvalidGraph as `check_graph` and `Program`; InvalidArgument as `check_profile` and
///   `price_nodes`.
template <LayerGraph G>
[[nodiscard]] LoweredGraph lower(const G& graph, const Profile& profile,
                                 bool wants_input_gradients = true, const CostModel& costs = {},
                                 SavedValues saved_values = SavedValues::by_node) {
  lowering::check_graph(graph);
  return lowering::Lowering<G>(graph, profile, wants_input_gradients, costs, saved_values).run();
}

}  // namespace reprise::inline v0
