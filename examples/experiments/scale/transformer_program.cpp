// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include "transformer_program.hpp"

#include <algorithm>
#include <cstddef>
#include <reprise/program/schedule_from_saved.hpp>
#include <utility>

namespace scale {
namespace {

using reprise::byte_count;
using reprise::Operation;
using reprise::operation_id;
using reprise::OperationKind;
using reprise::Value;
using reprise::value_id;
using reprise::ValueKind;

constexpr value_id no_value = 0xFFFFFFFFU;

/// A forward, and what its backward is made from.
struct Node {
  std::vector<value_id> inputs{};   ///< all have gradients
  std::vector<value_id> outputs{};  ///< so have these
  std::vector<value_id> masks{};    ///< made beside the outputs, for backward
  std::vector<value_id> kept{};     ///< what backward reads besides gradients
  std::uint64_t flops = 0;
  byte_count gathered = 0;   ///< of a sharded input, whole while it runs, forward and backward
  byte_count unreduced = 0;  ///< of an output, before the ranks' parts are added
};

/// Writes layer after layer, then the loss, then every backward in reverse.
class Builder {
 public:
  Builder(const Transformer& model, Sharding sharding, CostUnit unit)
      : model_(model),
        inside_(sharding == Sharding::none ? 1 : model.tensor_ranks),
        outside_(sharding == Sharding::sequence ? model.tensor_ranks : 1),
        is_sequence_parallel_(sharding == Sharding::sequence),
        unit_(unit) {}

  [[nodiscard]] TransformerProgram build() {
    value_id activation = add_value({.kind = ValueKind::constant, .bytes = between()});
    const value_id first = activation;
    for (layer_ = 0; layer_ < model_.layers; ++layer_) activation = add_layer(activation);
    const operation_id loss = add_loss(activation);
    for (std::size_t node = nodes_.size(); node-- > 0;) add_backward(node);
    values_[gradients_[first]].stays = true;
    return {.program = reprise::Program(std::move(values_), std::move(operations_), loss,
                                        model_.layers, unit_ == CostUnit::flops),
            .cores = std::move(cores_)};
  }

 private:
  static constexpr byte_count bytes_per_element = 2;

  // What a rank has of a value outside attention and MLP, of one inside, and of all scores.
  [[nodiscard]] byte_count between() const {
    return bytes_per_element * model_.elements() / outside_;
  }
  [[nodiscard]] byte_count within() const {
    return bytes_per_element * model_.elements() / inside_;
  }
  [[nodiscard]] byte_count scores() const { return bytes_per_element * model_.scores() / inside_; }
  [[nodiscard]] byte_count whole() const {
    return is_sequence_parallel_ ? bytes_per_element * model_.elements() : 0;
  }
  // A product of all tokens with weights of `columns` times the hidden size's square.
  [[nodiscard]] std::uint64_t product_flops(std::uint64_t columns) const {
    return 2 * columns * model_.elements() * model_.hidden / inside_;
  }
  [[nodiscard]] std::uint64_t attention_flops() const {
    return 2 * model_.elements() * model_.sequence / inside_;
  }

  value_id add_layer(value_id input) {
    const value_id after_attention = add_attention(input);
    const value_id norm = add_norm(after_attention);
    const value_id wide = add_output(4 * within());
    add({.inputs = {norm},
         .outputs = {wide},
         .kept = {norm},
         .flops = product_flops(4),
         .gathered = whole()});
    const value_id activated = add_output(4 * within());
    add({.inputs = {wide}, .outputs = {activated}, .kept = {wide}});
    const value_id narrow = add_output(between());
    add({.inputs = {activated},
         .outputs = {narrow},
         .kept = {activated},
         .flops = product_flops(4),
         .unreduced = whole()});
    return add_dropout_and_residual(narrow, after_attention);
  }

  value_id add_attention(value_id input) {
    const value_id norm = add_norm(input);
    const value_id query = add_output(within());
    const value_id key = add_output(within());
    const value_id value = add_output(within());
    add({.inputs = {norm},
         .outputs = {query, key, value},
         .kept = {norm},
         .flops = product_flops(3),
         .gathered = whole()});
    const value_id context = add_core(query, key, value);
    const value_id projected = add_output(between());
    add({.inputs = {context},
         .outputs = {projected},
         .kept = {context},
         .flops = product_flops(1),
         .unreduced = whole()});
    return add_dropout_and_residual(projected, input);
  }

  value_id add_core(value_id query, value_id key, value_id value) {
    AttentionCore core;
    core.scores = add_output(scores());
    add({.inputs = {query, key},
         .outputs = {core.scores},
         .kept = {query, key},
         .flops = attention_flops()});
    core.probabilities = add_output(scores());
    add({.inputs = {core.scores}, .outputs = {core.probabilities}, .kept = {core.probabilities}});
    core.dropped_out = add_output(scores());
    core.mask = add_mask(scores());
    core.dropout = add({.inputs = {core.probabilities},
                        .outputs = {core.dropped_out},
                        .masks = {core.mask},
                        .kept = {core.mask}});
    core.context = add_output(within());
    core.over_values = add({.inputs = {core.dropped_out, value},
                            .outputs = {core.context},
                            .kept = {core.dropped_out, value},
                            .flops = attention_flops()});
    cores_.push_back(core);
    return core.context;
  }

  value_id add_norm(value_id input) {
    const value_id norm = add_output(between());
    add({.inputs = {input}, .outputs = {norm}, .kept = {input}});
    return norm;
  }

  value_id add_dropout_and_residual(value_id input, value_id residual) {
    const value_id sum = add_output(between());
    const value_id mask = add_mask(between());
    add({.inputs = {input, residual}, .outputs = {sum}, .masks = {mask}, .kept = {mask}});
    return sum;
  }

  value_id add_value(const Value& value) {
    values_.push_back(value);
    gradients_.push_back(no_value);
    return static_cast<value_id>(values_.size() - 1);
  }
  value_id add_output(byte_count bytes) {
    return add_value({.kind = ValueKind::output, .node = next_node(), .bytes = bytes});
  }
  // One byte an element of what it masks.
  value_id add_mask(byte_count masked) {
    return add_value(
        {.kind = ValueKind::saved, .node = next_node(), .bytes = masked / bytes_per_element});
  }
  [[nodiscard]] std::uint32_t next_node() const {
    return static_cast<std::uint32_t>(nodes_.size());
  }

  operation_id add(Node node) {
    const std::uint32_t number = next_node();
    for (std::size_t port = 0; port < node.outputs.size(); ++port) {
      values_[node.outputs[port]].port = static_cast<std::uint32_t>(port);
    }
    Operation op{.kind = OperationKind::forward,
                 .node = number,
                 .layer = static_cast<std::uint32_t>(layer_),
                 .reads = node.inputs,
                 .writes = node.outputs,
                 .transient_bytes = node.gathered + node.unreduced,
                 .repeatable = true};
    op.writes.insert(op.writes.end(), node.masks.begin(), node.masks.end());
    op.cost = cost(op, node.flops);
    operations_.push_back(std::move(op));
    nodes_.push_back(std::move(node));
    return number;
  }

  operation_id add_loss(value_id output) {
    const auto loss = static_cast<operation_id>(operations_.size());
    Operation op{.kind = OperationKind::loss, .layer = operations_.back().layer, .reads = {output}};
    op.writes.push_back(add_gradient(output));
    operations_.push_back(std::move(op));
    return loss;
  }

  void add_backward(std::size_t number) {
    const Node& node = nodes_[number];
    // The gathered input again, its gradient before the ranks' parts are added; or the gathered
    // gradient of the output.
    Operation op{.kind = OperationKind::backward,
                 .node = static_cast<std::uint32_t>(number),
                 .layer = operations_[number].layer,
                 .transient_bytes = 2 * node.gathered + node.unreduced,
                 .adds_in_place = true};
    for (const value_id output : node.outputs) op.reads.push_back(gradients_[output]);
    op.reads.insert(op.reads.end(), node.kept.begin(), node.kept.end());
    for (const value_id input : node.inputs) {
      if (gradients_[input] == no_value) {
        op.writes.push_back(add_gradient(input));
      } else {
        op.accumulates.push_back(gradients_[input]);
      }
    }
    op.cost = cost(op, 2 * node.flops);
    operations_.push_back(std::move(op));
  }

  value_id add_gradient(value_id of) {
    const Value& value = values_[of];
    const value_id gradient = add_value({.kind = ValueKind::gradient,
                                         .node = value.node,
                                         .port = value.port,
                                         .bytes = value.bytes});
    gradients_[of] = gradient;
    return gradient;
  }

  [[nodiscard]] double cost(const Operation& op, std::uint64_t flops) const {
    const auto arithmetic = static_cast<double>(flops);
    if (unit_ == CostUnit::flops) return arithmetic;
    byte_count traffic = 0;
    for (const value_id value : op.reads) traffic += values_[value].bytes;
    for (const value_id value : op.writes) traffic += values_[value].bytes;
    for (const value_id value : op.accumulates) traffic += 2 * values_[value].bytes;
    return std::max(arithmetic / A100::flops_per_second,
                    static_cast<double>(traffic) / A100::bytes_per_second);
  }

  const Transformer& model_;
  std::uint64_t inside_;
  std::uint64_t outside_;
  bool is_sequence_parallel_;
  CostUnit unit_;
  std::uint64_t layer_ = 0;
  std::vector<Value> values_;
  std::vector<value_id> gradients_;  ///< of each value, or `no_value`
  std::vector<Operation> operations_;
  std::vector<Node> nodes_;
  std::vector<AttentionCore> cores_;
};

}  // namespace

TransformerProgram transformer_program(const Transformer& model, Sharding sharding, CostUnit unit) {
  return Builder(model, sharding, unit).build();
}

reprise::Schedule selective_schedule(const TransformerProgram& model) {
  reprise::SavedSet kept(model.program.values().size(), 1);
  std::vector<const AttentionCore*> core_of(model.program.operations().size(), nullptr);
  for (const AttentionCore& core : model.cores) {
    for (const value_id value : {core.scores, core.probabilities, core.dropped_out, core.mask}) {
      kept[value] = 0;
    }
    core_of[core.dropout] = &core;
  }
  std::vector<std::uint8_t> has_run(model.program.operations().size(), 0);
  reprise::Schedule schedule;
  for (const reprise::Action& action : schedule_from_saved(model.program, kept).actions) {
    schedule.actions.push_back(action);
    if (action.kind != reprise::ActionKind::run) continue;
    const AttentionCore* const core = core_of[action.index];
    const bool is_rerun = std::exchange(has_run[action.index], std::uint8_t{1}) != 0;
    if (core == nullptr || !is_rerun) continue;
    schedule.actions.push_back(reprise::Action::run(core->over_values));
    schedule.actions.push_back(reprise::Action::drop(core->context));
  }
  return schedule;
}

}  // namespace scale
