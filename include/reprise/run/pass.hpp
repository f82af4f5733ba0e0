// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// One forward and backward pass of a layer graph as a schedule has it.

#include <algorithm>
#include <any>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <reprise/core/arguments.hpp>
#include <reprise/core/error.hpp>
#include <reprise/core/layer_graph.hpp>
#include <reprise/core/pass_context.hpp>
#include <reprise/core/saved_state.hpp>
#include <reprise/core/tensor.hpp>
#include <reprise/planner/plan.hpp>
#include <reprise/program/profile.hpp>
#include <reprise/run/lowered_shape.hpp>
#include <reprise/run/run_report.hpp>
#include <reprise/store/remat_store.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// What happens around an action, for those who watch: tests, progress displays.
struct ActionEvent {
  enum class Moment : std::uint8_t { before, after };

  Moment moment;
  const Action& action;
  byte_count during_bytes;  ///< live while it runs, of this pass alone
  byte_count live_bytes;    ///< live now, of this pass alone
};

/// Called before and after each action of a pass.
using ActionObserver = std::function<void(const ActionEvent&)>;

/// Asks the engine's allocator what it holds from the system now.
using ReservedBytes = std::function<byte_count()>;

namespace running {

/// What all passes of one `Checkpointed` share.
struct Shared {
  std::shared_ptr<MemoryAccount> account;
  RunReport report;
  ActionObserver observer;
  ReservedBytes reserved_bytes;
  bool verify_replay = false;
  std::size_t passes_alive = 0;

  void sample_reserved() {
    if (reserved_bytes) report.reserved_bytes = std::max(report.reserved_bytes, reserved_bytes());
  }
};

template <class T, class S>
struct Payload {
  T tensor{};
  S saved{};
};

/// Plays the actions of one pass over the engine's nodes.
template <LayerGraph G>
class Player {
 public:
  using T = typename G::tensor_type;
  using S = typename G::saved_type;

  Player(G& graph, std::shared_ptr<Shared> shared, std::shared_ptr<const LoweredShape> shape,
         std::shared_ptr<const Plan> plan, std::vector<T*> inputs, PassContext::Identity identity,
         PassMode mode = PassMode::training)
      : graph_(graph),
        shared_(std::move(shared)),
        shape_(std::move(shape)),
        plan_(std::move(plan)),
        inputs_(std::move(inputs)),
        pass_(identity, mode),
        store_(shape_->lowered.program, shared_->account),
        uncounted_saved_(graph.size()),
        drops_left_(graph.size(), 0) {
    if constexpr (captures_state) states_.resize(graph.size());
    if (shared_->verify_replay) checksums_.resize(program().values().size());
    for (const Action& action : plan_->schedule.actions) {
      if (action.kind == ActionKind::drop && is_saved(action.index)) ++drops_left_[node_of(action)];
    }
    ++shared_->passes_alive;
  }

  Player(const Player&) = delete;
  Player& operator=(const Player&) = delete;
  Player(Player&&) = delete;
  Player& operator=(Player&&) = delete;
  ~Player() {
    --shared_->passes_alive;
    if constexpr (has_resident) {
      for (std::size_t node = 0; node < graph_.size(); ++node) {
        const value_id saved = lowered().saved[node];
        if (saved != LoweredGraph::no_value && store_.is_present(saved)) {
          graph_.release_resident(node);
        }
      }
    }
  }

  void play_forward() {
    const auto& actions = plan_->schedule.actions;
    while (!(actions[at_].kind == ActionKind::run && actions[at_].index == program().turn())) {
      play(actions[at_++]);
    }
  }

  /// Whether this pass shares an account with others.
  [[nodiscard]] bool is_of(const std::shared_ptr<Shared>& shared) const noexcept {
    return shared_ == shared;
  }

  /// Names the shapes that this pass was planned for.
  [[nodiscard]] std::uint64_t signature() const noexcept { return shape_->signature; }

  [[nodiscard]] std::size_t output_count() const { return graph_.outputs().size(); }

  [[nodiscard]] const T& output(std::size_t index) const {
    const Source source = graph_.outputs()[index];
    return store_.at(lowered().outputs[source.node][source.port]).tensor;
  }

  [[nodiscard]] std::vector<T> play_backward(std::span<T> gradients) {
    play_turn(gradients);
    const auto& actions = plan_->schedule.actions;
    while (at_ < actions.size()) play(actions[at_++]);
    std::vector<T> result(lowered().input_gradients.size());
    for (std::size_t i = 0; i < result.size(); ++i) {
      const value_id gradient = lowered().input_gradients[i];
      if (gradient != LoweredGraph::no_value) result[i] = std::move(store_.at(gradient).tensor);
    }
    return result;
  }

 private:
  static constexpr bool captures_state = requires(G & g, std::size_t n, const std::any& s) {
    g.capture_state(n);
    g.restore_state(n, s);
  };
  static constexpr bool has_resident = requires(G & g, std::size_t n) { g.release_resident(n); };

  [[nodiscard]] const LoweredGraph& lowered() const { return shape_->lowered; }
  [[nodiscard]] const Program& program() const { return shape_->lowered.program; }

  void observe(ActionEvent::Moment moment, const Action& action) const {
    if (!shared_->observer) return;
    const bool is_before = moment == ActionEvent::Moment::before;
    const byte_count live = store_.ledger().live_bytes();
    shared_->observer({.moment = moment,
                       .action = action,
                       .during_bytes = is_before ? store_.ledger().bytes_during(action) : live,
                       .live_bytes = live});
  }

  void play(const Action& action) {
    observe(ActionEvent::Moment::before, action);
    store_.begin(action);
    if (action.kind == ActionKind::drop) {
      drop(action);
    } else if (action.index < program().turn()) {
      run_forward(action);
    } else {
      run_backward(action);
    }
    observe(ActionEvent::Moment::after, action);
  }

  void drop(const Action& action) {
    if (is_saved(action.index)) {
      --drops_left_[node_of(action)];
      if constexpr (has_resident) graph_.release_resident(node_of(action));
    }
    store_.commit(action);
  }

  [[nodiscard]] bool is_saved(value_id value) const {
    return program().values()[value].kind == ValueKind::saved;
  }
  [[nodiscard]] std::size_t node_of(const Action& drop) const {
    return program().values()[drop.index].node;
  }

  // The last drop comes after backward; one before it means that backward needs it made again.
  // Where it is present and stays, a rerun makes a copy only, but of the same content.
  [[nodiscard]] bool will_be_remade(value_id saved) const {
    if (saved == LoweredGraph::no_value || store_.is_present(saved)) return false;
    return drops_left_[program().values()[saved].node] > 1;
  }

  void play_turn(std::span<T> gradients) {
    const Action& action = plan_->schedule.actions[at_++];
    observe(ActionEvent::Moment::before, action);
    store_.begin(action);
    const Operation& turn = program().operations()[action.index];
    if (gradients.size() != turn.writes.size()) {
      throw InvalidArgument("backward was given " + std::to_string(gradients.size()) +
                            " gradients for " + std::to_string(turn.writes.size()) + " outputs");
    }
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      check_size(gradients[i], turn.writes[i]);
      check_owns_storage(gradients, i);
      store_.at(turn.writes[i]).tensor = std::move(gradients[i]);
    }
    store_.commit(action);
    observe(ActionEvent::Moment::after, action);
  }

  // The engine's own gradients: what adds to them or reuses their memory must touch nothing else.
  void check_owns_storage(std::span<const T> gradients, std::size_t index) const {
    const void* const storage = tensor_traits<T>::storage(gradients[index]);
    if (storage == nullptr) return;
    for (std::size_t other = 0; other < output_count(); ++other) {
      const bool is_shared = has_storage(&output(other), storage) ||
                             (other > index && has_storage(&gradients[other], storage));
      if (!is_shared) continue;
      throw SharedStorage("the gradient of output " + std::to_string(index) +
                          " shares memory with output " + std::to_string(other) +
                          " or its gradient: hand over a copy");
    }
  }

  [[nodiscard]] T* tensor_of(Source source) {
    return source.is_graph_input() ? inputs_[source.port]
                                   : &store_.at(lowered().outputs[source.node][source.port]).tensor;
  }

  [[nodiscard]] S& saved_of(std::size_t node) {
    const value_id saved = lowered().saved[node];
    return saved == LoweredGraph::no_value ? uncounted_saved_[node] : store_.at(saved).saved;
  }

  void run_forward(const Action& action) {
    const Operation& op = program().operations()[action.index];
    const std::size_t node = op.node;
    const NodeTraits traits = graph_.traits(node);
    const bool is_rerun = store_.has_run(action.index);
    pass_.enter({.node = op.node,
                 .is_recompute = is_rerun,
                 .will_recompute = will_be_remade(lowered().saved[node]),
                 .wants_parameter_gradients = !traits.is_frozen,
                 .may_skip_output = action.skips_output});
    arguments_.clear();
    for (const Source& source : graph_.inputs(node)) arguments_.push_back(tensor_of(source));
    outputs_.clear();
    outputs_.resize(traits.output_count);
    S saved{};
    call_forward(node, is_rerun, saved);
    shared_->sample_reserved();
    check_outputs(node, traits, saved);
    if (shared_->verify_replay) verify(node, action, saved);
    keep_outputs(node, op, saved);
    store_.commit(action);
    count_run(op, is_rerun);
  }

  void call_forward(std::size_t node, bool is_rerun, S& saved) {
    const auto call = [&] {
      graph_.forward(node, Arguments<T>(arguments_), std::span<T>(outputs_), saved, pass_);
    };
    if constexpr (captures_state) {
      if (!is_rerun) {
        states_[node] = graph_.capture_state(node);
      } else if (states_[node].has_value()) {
        const StateGuard guard(graph_, node, states_[node]);
        return call();
      }
    }
    call();
  }

  // The engine's own state is as it was for the original while a node runs again, and goes back to
  // what it has become since, also if the node throws.
  class StateGuard {
   public:
    StateGuard(G& graph, std::size_t node, const std::any& original)
        : graph_(graph), node_(node), current_(graph.capture_state(node)) {
      graph.restore_state(node, original);
    }
    StateGuard(const StateGuard&) = delete;
    StateGuard& operator=(const StateGuard&) = delete;
    ~StateGuard() { graph_.restore_state(node_, current_); }

   private:
    G& graph_;
    std::size_t node_;
    std::any current_;
  };

  void check_size(const T& tensor, value_id value) const {
    const byte_count bytes = program().values()[value].kind == ValueKind::gradient
                                 ? static_cast<byte_count>(tensor_traits<T>::bytes(tensor))
                                 : counted_bytes(tensor);
    refuse_if_larger(bytes, value);
  }

  void refuse_if_larger(byte_count bytes, value_id value) const {
    if (bytes <= program().values()[value].bytes) return;
    throw ProfileMismatch(program().describe(value) + " has " + std::to_string(bytes) +
                          " bytes, its profile says " +
                          std::to_string(program().values()[value].bytes));
  }

  void check_outputs(std::size_t node, const NodeTraits& traits, const S& saved) const {
    for (std::size_t port = 0; port < outputs_.size(); ++port) {
      const value_id value = lowered().outputs[node][port];
      check_size(outputs_[port], value);
      if (pass_.may_skip_output()) check_skipped(node, port);
      if (!traits.view_of) check_alone(node, traits, port);
      check_not_saved(node, saved, tensor_traits<T>::storage(outputs_[port]), "its output");
    }
    for (std::size_t i = 0; i < arguments_.size(); ++i) {
      if (static_cast<int>(i) == traits.consumes.input_index) continue;
      if (is_persistent(*arguments_[i])) continue;
      check_not_saved(node, saved, tensor_traits<T>::storage(*arguments_[i]), "its input");
    }
    const value_id saved_value = lowered().saved[node];
    const byte_count bytes = saved_bytes(saved) + resident_bytes(graph_, node);
    if (saved_value != LoweredGraph::no_value) {
      refuse_if_larger(bytes, saved_value);
    } else if (bytes > 0) {
      throw ProfileMismatch("saved state of node " + std::to_string(node) + " has " +
                            std::to_string(bytes) + " bytes, its profile says 0");
    }
  }

  void check_skipped(std::size_t node, std::size_t port) const {
    const byte_count bytes = counted_bytes(outputs_[port]);
    if (bytes == 0) return;
    throw InvalidGraph("node " + std::to_string(node) +
                       " declares can_skip_output and returned output " + std::to_string(port) +
                       " with " + std::to_string(bytes) + " bytes where it was to be skipped");
  }

  void check_alone(std::size_t node, const NodeTraits& traits, std::size_t port) const {
    const void* const storage = tensor_traits<T>::storage(outputs_[port]);
    if (storage == nullptr || is_persistent(outputs_[port])) return;
    for (std::size_t i = 0; i < arguments_.size(); ++i) {
      if (static_cast<int>(i) == traits.consumes.input_index) continue;
      if (tensor_traits<T>::storage(*arguments_[i]) == storage) {
        throw SharedStorage("output " + std::to_string(port) + " of node " + std::to_string(node) +
                            " shares the memory of its input " + std::to_string(i) +
                            ": declare view_of");
      }
    }
  }

  void check_not_saved(std::size_t node, const S& saved, const void* storage,
                       const char* what) const {
    if (storage != nullptr && holds_storage(saved, storage)) {
      throw SharedStorage("the saved state of node " + std::to_string(node) +
                          " shares the memory of " + what +
                          ": declare it in backward_reads instead of saving it");
    }
  }

  void verify(std::size_t node, const Action& action, const S& saved) {
    const auto compare = [&](value_id value, std::uint64_t checksum) {
      std::optional<std::uint64_t>& original = checksums_[value];
      if (!original) original = checksum;
      if (*original == checksum) return;
      throw ReplayMismatch(layer_name(graph_, program().layer(value)) + ": " +
                           program().describe(value) + " differs from its original");
    };
    if constexpr (ChecksummableTensor<T>) {
      for (std::size_t port = 0; port < outputs_.size() && !action.skips_output; ++port) {
        compare(lowered().outputs[node][port], tensor_traits<T>::checksum(outputs_[port]));
      }
    }
    const value_id value = lowered().saved[node];
    if (value == LoweredGraph::no_value) return;
    // What will be remade may be empty until then.
    const bool is_put_off = pass_.will_recompute() && saved_bytes(saved) == 0;
    if (!is_put_off) compare(value, saved_checksum(saved));
  }

  // Copies of what is present go here, at the end of the run.
  void keep_outputs(std::size_t node, const Operation& op, S& saved) {
    for (const value_id consumed : op.consumes) store_.at(consumed).tensor = T{};
    for (std::size_t port = 0; port < outputs_.size(); ++port) {
      const value_id value = lowered().outputs[node][port];
      if (!store_.is_present(value)) store_.at(value).tensor = std::move(outputs_[port]);
    }
    outputs_.clear();
    const value_id saved_value = lowered().saved[node];
    if (saved_value == LoweredGraph::no_value) {
      uncounted_saved_[node] = std::move(saved);
    } else if (!store_.is_present(saved_value)) {
      store_.at(saved_value).saved = std::move(saved);
    }
    saved = S{};
  }

  void count_run(const Operation& op, bool is_rerun) {
    RunReport& report = shared_->report;
    if (!is_rerun) {
      report.forward_cost += op.cost;
      return;
    }
    report.recomputed_cost += op.cost;
    ++report.recomputes_per_layer[op.layer];
    report.recomputed_cost_per_layer[op.layer] += op.cost;
  }

  void run_backward(const Action& action) {
    const Operation& op = program().operations()[action.index];
    const std::size_t node = op.node;
    const NodeTraits traits = graph_.traits(node);
    const std::span<const Source> sources = graph_.inputs(node);
    gather_for_backward(node, traits, sources);
    place_gradients(traits, sources);
    pass_.enter({.node = op.node,
                 .wants_parameter_gradients = !traits.is_frozen,
                 .unwanted_input_gradients = unwanted_});
    graph_.backward(node, Arguments<T>(arguments_), Arguments<T>(reads_), saved_of(node),
                    Arguments<T>(gradients_), pass_, std::span<T* const>(places_));
    shared_->sample_reserved();
    check_gradients(node, traits, sources);
    accumulate_parts(sources);
    for (const value_id consumed : op.consumes) store_.at(consumed).tensor = T{};
    store_.commit(action);
  }

  void gather_for_backward(std::size_t node, const NodeTraits& traits,
                           std::span<const Source> sources) {
    arguments_.clear();
    for (std::size_t i = 0; i < sources.size(); ++i) {
      arguments_.push_back(traits.backward_reads.has_input(i) ? tensor_of(sources[i]) : nullptr);
    }
    reads_.clear();
    gradients_.clear();
    for (std::size_t port = 0; port < traits.output_count; ++port) {
      reads_.push_back(traits.backward_reads.of_output
                           ? &store_.at(lowered().outputs[node][port]).tensor
                           : nullptr);
      const value_id gradient = lowered().gradients[node][port];
      gradients_.push_back(gradient == LoweredGraph::no_value ? nullptr
                                                              : &store_.at(gradient).tensor);
    }
  }

  [[nodiscard]] value_id gradient_of(Source source) const {
    return source.is_graph_input() ? lowered().input_gradients[source.port]
                                   : lowered().gradients[source.node][source.port];
  }

  // The first part of a gradient becomes it; later ones get a place of their own, unless the node
  // adds in place.
  void place_gradients(const NodeTraits& traits, std::span<const Source> sources) {
    places_.assign(sources.size(), nullptr);
    parts_.clear();
    parts_.resize(sources.size());
    unwanted_ = 0;
    begun_.clear();
    for (std::size_t i = 0; i < sources.size(); ++i) {
      const value_id gradient = gradient_of(sources[i]);
      if (!traits.differentiates.has_input(i) || gradient == LoweredGraph::no_value) {
        unwanted_ |= 1U << std::min<std::size_t>(i, 31);
        continue;
      }
      const bool is_first =
          !store_.is_present(gradient) && std::ranges::find(begun_, gradient) == begun_.end();
      begun_.push_back(gradient);
      places_[i] =
          is_first || traits.accumulates_in_place ? &store_.at(gradient).tensor : &parts_[i];
    }
  }

  void check_gradients(std::size_t node, const NodeTraits& traits,
                       std::span<const Source> sources) const {
    for (std::size_t i = 0; i < places_.size(); ++i) {
      if (places_[i] == nullptr) continue;
      check_size(*places_[i], gradient_of(sources[i]));
      const void* const storage = tensor_traits<T>::storage(*places_[i]);
      if (storage == nullptr) continue;
      bool is_shared = false;
      for (const T* given : gradients_) {
        is_shared = is_shared || (given != places_[i] && has_storage(given, storage));
      }
      for (std::size_t j = 0; j < i; ++j) {
        is_shared = is_shared || (places_[j] != places_[i] && has_storage(places_[j], storage));
      }
      if (is_shared && !traits.consumes.of_gradient) {
        throw SharedStorage("the gradient that node " + std::to_string(node) +
                            " returns for its input " + std::to_string(i) +
                            " shares memory with another gradient: return a copy");
      }
      const auto is_it = [storage](const T* read) { return has_storage(read, storage); };
      if (std::ranges::any_of(arguments_, is_it) || std::ranges::any_of(reads_, is_it)) {
        throw SharedStorage("the gradient that node " + std::to_string(node) +
                            " returns for its input " + std::to_string(i) +
                            " shares memory with what its backward reads: return a copy");
      }
    }
  }

  [[nodiscard]] static bool has_storage(const T* tensor, const void* storage) {
    return tensor != nullptr && tensor_traits<T>::storage(*tensor) == storage;
  }

  void accumulate_parts(std::span<const Source> sources) {
    for (std::size_t i = 0; i < places_.size(); ++i) {
      if (places_[i] != &parts_[i]) continue;
      tensor_traits<T>::accumulate(store_.at(gradient_of(sources[i])).tensor, parts_[i]);
      parts_[i] = T{};
    }
  }

  G& graph_;
  std::shared_ptr<Shared> shared_;
  std::shared_ptr<const LoweredShape> shape_;
  std::shared_ptr<const Plan> plan_;
  std::vector<T*> inputs_;
  PassContext pass_;
  RematStore<Payload<T, S>> store_;
  std::vector<S> uncounted_saved_;
  std::vector<std::uint32_t> drops_left_;  ///< of each node's saved state
  std::vector<std::any> states_;
  std::vector<std::optional<std::uint64_t>> checksums_;  ///< of originals
  std::size_t at_ = 0;

  std::vector<T*> arguments_;
  std::vector<T*> reads_;
  std::vector<T*> gradients_;
  std::vector<T*> places_;
  std::vector<T> outputs_;
  std::vector<T> parts_;
  std::vector<value_id> begun_;
  std::uint32_t unwanted_ = 0;
};

}  // namespace running

/// A pass between its forward and its backward: owns what backward will need; destroying it cancels
/// the pass and drops what it holds. Must not outlive the `Checkpointed` that made it.
template <LayerGraph G>
class Pass {
 public:
  explicit Pass(std::unique_ptr<running::Player<G>> player) : player_(std::move(player)) {}

  /// An output of the graph; valid until backward.
  [[nodiscard]] const typename G::tensor_type& output(std::size_t index = 0) const {
    if (!player_) throw InvalidState("a pass that backward has taken has no output");
    if (index >= player_->output_count()) {
      throw InvalidArgument("output " + std::to_string(index) + " of a graph that has " +
                            std::to_string(player_->output_count()));
    }
    return player_->output(index);
  }

  /// False once backward has taken the pass.
  [[nodiscard]] explicit operator bool() const noexcept { return player_ != nullptr; }

  /// What plays the pass; null once backward has taken it.
  [[nodiscard]] const running::Player<G>* player() const noexcept { return player_.get(); }

  /// Hands over what plays the pass.
  [[nodiscard]] std::unique_ptr<running::Player<G>> release() noexcept {
    return std::move(player_);
  }

 private:
  std::unique_ptr<running::Player<G>> player_;
};

}  // namespace reprise::inline v0
