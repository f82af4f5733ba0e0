// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Which call may follow which.

#include <cstddef>
#include <memory>
#include <ranges>
#include <reprise/core/error.hpp>
#include <reprise/core/layer_graph.hpp>
#include <reprise/core/tensor.hpp>
#include <reprise/program/cost/measured_time.hpp>
#include <reprise/run/checkpointed_options.hpp>
#include <reprise/run/run_state.hpp>
#include <string>
#include <utility>
#include <variant>

namespace reprise::inline v0::running {

/// Refuses calls of an object that trains a graph where its state does not allow them. Each check
/// takes the name of the call.
template <LayerGraph G>
class CallRules {
 public:
  /// Says that nodes run as long as it lives, so that none of them calls the object.
  class Playing {
   public:
    /// Nodes run from here on.
    explicit Playing(bool& is_playing) noexcept : is_playing_(is_playing) { is_playing_ = true; }
    Playing(const Playing&) = delete;
    Playing& operator=(const Playing&) = delete;
    ~Playing() { is_playing_ = false; }

   private:
    bool& is_playing_;
  };

  /// Outside a step. Borrows the graph.
  CallRules(const G& graph, std::shared_ptr<const RunState> state)
      : graph_(&graph), state_(std::move(state)), counts_(counts_of(graph)) {}

  /// Nodes run until the result dies.
  [[nodiscard]] Playing play() noexcept { return Playing(is_playing_); }

  /// A step begins.
  void begin_step() noexcept { is_in_step_ = true; }
  /// It ends, or is forgotten.
  void end_step() noexcept { is_in_step_ = false; }
  /// Whether a step was begun and not ended.
  [[nodiscard]] bool is_in_step() const noexcept { return is_in_step_; }

  /// @throws InvalidState of an object that was moved from
  void check_not_moved_from(const char* call) const {
    if (!state_) throw InvalidState(std::string(call) + " of an object that was moved from");
  }

  /// @throws InvalidState if a node calls that runs, or of an object that was moved from
  void check_not_playing(const char* call) const {
    check_not_moved_from(call);
    if (!is_playing_) return;
    throw InvalidState(std::string(call) +
                       " called by a node that it runs: gradients of gradients are not supported");
  }

  /// What was planned and is counted is of the graph as it was.
  /// @throws InvalidState if it has other nodes, inputs or outputs now
  void check_graph_is_as_it_was(const char* call) const {
    const Counts now = counts_of(*graph_);
    if (now == counts_) return;
    throw InvalidState(std::string(call) + " over a graph that has changed: it had " +
                       counts_.described() + " and has " + now.described() +
                       " now; a graph neither moves nor grows once an object trains it");
  }

  /// @throws InvalidState if a pass is between its forward and its backward
  void check_none_in_flight(const char* call) const {
    if (state_->passes_alive == 0) return;
    throw InvalidState(std::string(call) + " with " + std::to_string(state_->passes_alive) +
                       " passes in flight");
  }

  /// @throws InvalidArgument if the graph has another number of inputs
  void check_input_count(const char* call, std::size_t given) const {
    if (given == graph_->input_count()) return;
    throw InvalidArgument(std::string(call) + " was given " + std::to_string(given) +
                          " inputs, the graph has " + std::to_string(graph_->input_count()));
  }

  /// Checks all that a forward for a backward needs.
  /// @throws InvalidState, InvalidArgument
  void check_forward(const char* call, std::size_t inputs) const {
    check_not_playing(call);
    check_graph_is_as_it_was(call);
    if (!is_in_step_) throw InvalidState(std::string(call) + " without begin_step");
    check_input_count(call, inputs);
    if (state_->passes_alive >= options().passes_in_flight) {
      throw InvalidState(std::to_string(state_->passes_alive) + " of " +
                         std::to_string(options().passes_in_flight) +
                         " passes are in flight already");
    }
  }

  /// @throws InvalidArgument if the options leave nothing to run, or ask for what the graph cannot
  void check_options() const {
    if (options().verify_replay && !ChecksummableTensor<typename G::tensor_type>) {
      throw InvalidArgument(
          "verify_replay has nothing to compare: tensor_traits of the graph's tensor has no "
          "checksum");
    }
    if (options().passes_in_flight == 0) {
      throw InvalidArgument("0 passes in flight leave nothing to run");
    }
    if (const auto* const measured = std::get_if<MeasuredTime>(&options().cost_model);
        measured != nullptr && !(measured->most_share > 0)) {
      throw InvalidArgument("measuring takes a share above 0 of a pass, not " +
                            std::to_string(measured->most_share));
    }
    if (options().max_shapes == 0) {
      throw InvalidArgument("0 remembered shapes leave none for the pass that runs");
    }
    if (options().passes_in_flight > 1) check_state_is_passed_on();
  }

 private:
  struct Counts {
    std::size_t nodes = 0;
    std::size_t inputs = 0;
    std::size_t outputs = 0;

    [[nodiscard]] std::string described() const {
      return std::to_string(nodes) + " nodes, " + std::to_string(inputs) + " inputs and " +
             std::to_string(outputs) + " outputs";
    }
    friend bool operator==(const Counts&, const Counts&) = default;
  };

  [[nodiscard]] static Counts counts_of(const G& graph) {
    return {.nodes = graph.size(),
            .inputs = graph.input_count(),
            .outputs = std::ranges::size(graph.outputs())};
  }

  [[nodiscard]] const CheckpointedOptions& options() const noexcept { return state_->options; }

  void check_state_is_passed_on() const {
    if constexpr (requires(G & graph) { graph.release_resident(std::size_t{}); }) {
      for (std::size_t node = 0; node < graph_->size(); ++node) {
        if (!static_cast<NodeTraits>(graph_->traits(node)).has_resident_state) continue;
        throw InvalidArgument("node " + std::to_string(node) +
                              " keeps state in itself: only 1 pass can be in flight, not " +
                              std::to_string(options().passes_in_flight));
      }
    }
  }

  const G* graph_;
  std::shared_ptr<const RunState> state_;  ///< null once moved from
  Counts counts_;                          ///< of the graph when it was handed over
  bool is_in_step_ = false;
  bool is_playing_ = false;
};

}  // namespace reprise::inline v0::running
