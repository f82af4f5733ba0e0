// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Forward and backward as an engine would write them by hand, everything stored: the baseline that
/// tests and benchmarks compare with.

#include <cstddef>
#include <cstdint>
#include <reprise/core/layer_graph.hpp>
#include <reprise/core/pass_context.hpp>
#include <utility>
#include <vector>

namespace gpt {

/// Runs a layer graph without inputs and with one output, in order and back. Each tensor goes right
/// after its last reader.
template <reprise::LayerGraph G>
class ReferenceLoop {
 public:
  using tensor_type = typename G::tensor_type;

  explicit ReferenceLoop(G& graph) : graph_(&graph), saved_(graph.size()) {
    lay_out_ports();
    for (std::size_t n = 0; n < graph.size(); ++n) connect(n);
    find_last_readers();
  }

  /// @return the graph's output, until the pass's backward
  const tensor_type& forward(reprise::PassContext::Identity identity,
                             reprise::PassMode mode = reprise::PassMode::training) {
    pass_ = reprise::PassContext(identity, mode);
    for (std::size_t n = 0; n < calls_.size(); ++n) {
      Call& call = calls_[n];
      pass_.enter({.node = static_cast<std::uint32_t>(n)});
      graph_->forward(n, arguments(call.inputs), {&values_[call.first_port], call.ports}, saved_[n],
                      pass_);
      free(call.last_forward);
    }
    return values_[output_];
  }

  /// Adds to the gradients of all parameters; `gradient` is the output's.
  void backward(tensor_type gradient) {
    gradients_[output_] = std::move(gradient);
    for (std::size_t n = calls_.size(); n-- > 0;) {
      Call& call = calls_[n];
      pass_.enter({.node = static_cast<std::uint32_t>(n)});
      graph_->backward(n, arguments(call.inputs), arguments(call.outputs), saved_[n],
                       arguments(call.gradients), pass_, call.partial_places);
      for (std::size_t port = 0; port < call.ports; ++port) {
        gradients_[call.first_port + port] = tensor_type{};
      }
      hand_down(call);
      saved_[n] = typename G::saved_type{};
      free(call.last_backward);
    }
  }

  /// Drops what a forward without backward left.
  void clear() {
    for (auto& value : values_) value = tensor_type{};
    for (auto& saved : saved_) saved = typename G::saved_type{};
  }

 private:
  struct Call {
    std::size_t first_port = 0;
    std::size_t ports = 0;
    std::vector<std::size_t> sources;
    std::vector<tensor_type*> inputs;
    std::vector<tensor_type*> outputs;
    std::vector<tensor_type*> gradients;
    std::vector<tensor_type> partials;
    std::vector<tensor_type*> partial_places;
    std::vector<std::size_t> last_forward;   ///< values that go after this forward
    std::vector<std::size_t> last_backward;  ///< values that go after this backward
  };

  static reprise::Arguments<tensor_type> arguments(const std::vector<tensor_type*>& tensors) {
    return reprise::Arguments<tensor_type>(tensors);
  }

  void lay_out_ports() {
    calls_.resize(graph_->size());
    std::size_t ports = 0;
    for (std::size_t n = 0; n < calls_.size(); ++n) {
      calls_[n].first_port = ports;
      calls_[n].ports = graph_->traits(n).output_count;
      ports += calls_[n].ports;
    }
    values_.resize(ports);
    gradients_.resize(ports);
    output_ = value_of(graph_->outputs()[0]);
  }

  [[nodiscard]] std::size_t value_of(reprise::Source source) const {
    return calls_[source.node].first_port + source.port;
  }

  void connect(std::size_t n) {
    Call& call = calls_[n];
    for (const reprise::Source source : graph_->inputs(n)) {
      call.sources.push_back(value_of(source));
      call.inputs.push_back(&values_[call.sources.back()]);
    }
    for (std::size_t port = 0; port < call.ports; ++port) {
      call.outputs.push_back(&values_[call.first_port + port]);
      call.gradients.push_back(&gradients_[call.first_port + port]);
    }
    call.partials.resize(call.inputs.size());
    for (auto& partial : call.partials) call.partial_places.push_back(&partial);
  }

  void find_last_readers() {
    constexpr std::size_t none = static_cast<std::size_t>(-1);
    std::vector<std::size_t> forward(values_.size(), none);
    std::vector<std::size_t> backward(values_.size(), none);
    backward[output_] = calls_.size() - 1;
    for (std::size_t n = calls_.size(); n-- > 0;) {
      const reprise::NodeTraits traits = graph_->traits(n);
      Call& call = calls_[n];
      for (std::size_t i = 0; i < call.sources.size(); ++i) {
        if (forward[call.sources[i]] == none) forward[call.sources[i]] = n;
        if (traits.backward_reads.has_input(i)) backward[call.sources[i]] = n;
      }
      for (std::size_t port = 0; traits.backward_reads.of_output && port < call.ports; ++port) {
        backward[call.first_port + port] = n;
      }
    }
    for (std::size_t value = 0; value < values_.size(); ++value) {
      if (backward[value] != none) {
        calls_[backward[value]].last_backward.push_back(value);
      } else if (forward[value] != none) {
        calls_[forward[value]].last_forward.push_back(value);
      }
    }
  }

  void hand_down(Call& call) {
    for (std::size_t i = 0; i < call.sources.size(); ++i) {
      tensor_type& gradient = gradients_[call.sources[i]];
      if (reprise::tensor_traits<tensor_type>::storage(gradient) == nullptr) {
        gradient = std::move(call.partials[i]);
      } else {
        reprise::tensor_traits<tensor_type>::accumulate(gradient, call.partials[i]);
      }
      call.partials[i] = tensor_type{};
    }
  }

  void free(const std::vector<std::size_t>& values) {
    for (const std::size_t value : values) values_[value] = tensor_type{};
  }

  G* graph_;
  reprise::PassContext pass_;
  std::vector<Call> calls_;
  std::vector<tensor_type> values_;
  std::vector<tensor_type> gradients_;
  std::vector<typename G::saved_type> saved_;
  std::size_t output_ = 0;
};

}  // namespace gpt
