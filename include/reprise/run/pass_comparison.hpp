// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Compares a pass within the budget with one that keeps everything.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <reprise/core/any_gradient.hpp>
#include <reprise/core/error.hpp>
#include <reprise/core/hash.hpp>
#include <reprise/core/layer_graph.hpp>
#include <reprise/core/tensor.hpp>
#include <reprise/program/engine_state.hpp>
#include <reprise/program/engine_state_guard.hpp>
#include <reprise/run/step_notes.hpp>
#include <reprise/run/step_verification.hpp>
#include <span>
#include <string>
#include <vector>

namespace reprise::inline v0::running {

/// Compares the gradients of a pass within the budget with those of one that keeps everything, to
/// the bit.
template <LayerGraph G>
class PassComparison {
 public:
  using tensor_type = typename G::tensor_type;  ///< what nodes exchange

  /// Borrows the graph.
  /// @param has_input_gradients whether backward hands out gradients of the graph's inputs
  PassComparison(G& graph, bool has_input_gradients) noexcept
      : graph_(&graph), has_input_gradients_(has_input_gradients) {}

  /// Plays one whole pass within the budget and another one with everything kept, and
  /// compares them.
  ///
  /// Both passes start each call with the engine's own state as the first one found it, and what
  /// the first one has made of it stays.
  /// @param within makes the player of the pass within the budget
  /// @param keeping_all makes that of the pass which keeps everything
  /// @param loss makes the gradients of the graph's outputs from pointers to them
  /// @param zero_gradients sets all parameter gradients to zero
  /// @throws ReplayMismatch, InvalidGraph; and what the players throw
  template <class Within, class KeepingAll, class Loss, class Zero>
  StepVerification run(Within&& within, KeepingAll&& keeping_all, Loss& loss,
                       Zero& zero_gradients) {
    zero_gradients();
    const WholePass actual = play_whole(within(), nullptr, loss);
    const EngineStateGuard<G> of_one_pass(*graph_);
    zero_gradients();
    const WholePass expected = play_whole(keeping_all(), &actual, loss);
    compare_gradients(expected.gradients, actual.gradients);
    compare_reads(expected.notes, actual.notes);
    return verified(expected);
  }

 private:
  struct GradientChecksum {
    std::size_t node;  ///< the graph's size for a gradient of a graph input
    std::size_t index;
    std::uint64_t checksum;
  };
  struct WholePass {
    StepNotes notes;
    std::optional<EngineState<G>> at_loss{};
    std::vector<GradientChecksum> gradients{};
  };

  template <class Player, class Loss>
  [[nodiscard]] WholePass play_whole(std::unique_ptr<Player> player, const WholePass* followed,
                                     Loss& loss) {
    WholePass pass{.notes = StepNotes(graph_->size())};
    player->note(pass.notes, followed == nullptr ? nullptr : &followed->notes);
    player->play_forward();
    std::vector<const tensor_type*> outputs;
    for (std::size_t i = 0; i < player->output_count(); ++i) outputs.push_back(&player->output(i));
    if (followed != nullptr) followed->at_loss->restore(*graph_);
    pass.at_loss.emplace(*graph_);
    std::vector<tensor_type> gradients = loss(std::span<const tensor_type* const>(outputs));
    const std::vector<tensor_type> of_inputs = player->play_backward(gradients);
    pass.gradients = checksums(of_inputs);
    return pass;
  }

  [[nodiscard]] std::vector<GradientChecksum> checksums(const std::vector<tensor_type>& of_inputs) {
    std::vector<GradientChecksum> checksums;
    for (std::size_t node = 0; node < graph_->size(); ++node) {
      if constexpr (requires { graph_->for_each_gradient(node, node::AnyGradient{}); }) {
        std::size_t index = 0;
        graph_->for_each_gradient(node, [&](auto gradient) {
          const auto bytes = std::as_bytes(std::span(gradient));
          if (!bytes.empty()) checksums.push_back({node, index, hash_bytes(bytes)});
          ++index;
        });
      }
    }
    if constexpr (ChecksummableTensor<tensor_type>) {
      for (std::size_t i = 0; i < of_inputs.size(); ++i) {
        if (tensor_traits<tensor_type>::storage(of_inputs[i]) == nullptr) continue;
        checksums.push_back(
            {graph_->size(), i, tensor_traits<tensor_type>::checksum(of_inputs[i])});
      }
    }
    return checksums;
  }

  [[nodiscard]] std::string layer_of(std::size_t node) const {
    return layer_name(*graph_, static_cast<NodeTraits>(graph_->traits(node)).layer);
  }

  void compare_gradients(const std::vector<GradientChecksum>& expected,
                         const std::vector<GradientChecksum>& actual) const {
    for (std::size_t i = 0; i < std::min(expected.size(), actual.size()); ++i) {
      if (expected[i].node != actual[i].node || expected[i].index != actual[i].index) break;
      if (expected[i].checksum == actual[i].checksum) continue;
      const std::size_t node = expected[i].node;
      const std::string where =
          node == graph_->size()
              ? "the gradient of graph input " + std::to_string(expected[i].index)
              : layer_of(node) + ": gradient " + std::to_string(expected[i].index) + " of node " +
                    std::to_string(node);
      throw ReplayMismatch(where + " differs from the one with everything kept");
    }
    const auto same_place = [](const GradientChecksum& a, const GradientChecksum& b) {
      return a.node == b.node && a.index == b.index;
    };
    if (std::ranges::equal(expected, actual, same_place)) return;
    throw ReplayMismatch(
        "for_each_gradient showed " + std::to_string(actual.size()) +
        " gradients and, with everything kept, others: " + std::to_string(expected.size()));
  }

  void compare_reads(const StepNotes& expected, const StepNotes& actual) const {
    for (std::size_t i = 0; i < std::min(expected.reads.size(), actual.reads.size()); ++i) {
      if (expected.reads[i] == actual.reads[i]) continue;
      const NotedRead& read = actual.reads[i];
      const std::string node = std::to_string(read.node);
      throw ReplayMismatch(layer_of(read.node) + ": " + described(read) +
                           " that the backward of node " + node +
                           " reads differs from the one with everything kept; the gradients of its "
                           "parameters are not compared, since it has no for_each_gradient");
    }
  }

  [[nodiscard]] static std::string described(const NotedRead& read) {
    const std::string number = std::to_string(read.index);
    switch (read.kind) {
      case BackwardRead::input:
        return "input " + number;
      case BackwardRead::output:
        return "output " + number;
      case BackwardRead::saved:
        return "the saved state";
      case BackwardRead::gradient:
        break;
    }
    return "the gradient of output " + number;
  }

  // A verification that compares nothing must not pass for one that found nothing.
  [[nodiscard]] StepVerification verified(const WholePass& pass) const {
    const auto of_inputs = static_cast<std::size_t>(std::ranges::count_if(
        pass.gradients, [&](const GradientChecksum& g) { return g.node == graph_->size(); }));
    StepVerification result{.parameter_gradients = pass.gradients.size() - of_inputs,
                            .input_gradients = of_inputs,
                            .backward_reads = pass.notes.reads.size(),
                            .nodes_without_gradients = pass.notes.without_gradients};
    std::ranges::sort(result.nodes_without_gradients);
    if (pass.notes.backwards == 0 && !pass.gradients.empty()) {
      throw InvalidGraph(
          "verify_step has nothing to compare: no backward ran, since the loss gave no gradient or "
          "no node wants one");
    }
    if (result.parameter_gradients > 0) return result;
    if (!result.nodes_without_gradients.empty()) refuse_unseen(result.nodes_without_gradients);
    if (result.input_gradients == 0) {
      throw InvalidGraph(
          std::string("verify_step has nothing to compare: no node shows a parameter "
                      "gradient through for_each_gradient, and ") +
          why_no_input_gradient());
    }
    return result;
  }

  [[noreturn]] void refuse_unseen(const std::vector<std::size_t>& nodes) const {
    throw InvalidGraph("verify_step has no parameter gradient to compare: " +
                       std::to_string(nodes.size()) + " nodes, of which node " +
                       std::to_string(nodes.front()) + " of " + layer_of(nodes.front()) +
                       " is the first, have no for_each_gradient; one that shows none says that a "
                       "node has no parameters, and so does is_frozen");
  }

  [[nodiscard]] std::string why_no_input_gradient() const {
    if (!has_input_gradients_) return "input_gradients is false";
    if constexpr (!ChecksummableTensor<tensor_type>) {
      return "tensor_traits has no checksum for those of the graph's inputs";
    }
    return "no gradient reaches an input of the graph";
  }

  G* graph_;
  bool has_input_gradients_;
};

}  // namespace reprise::inline v0::running
