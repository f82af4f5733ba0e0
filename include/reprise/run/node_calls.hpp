// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Calls the nodes of a layer graph for one pass.

#include <algorithm>
#include <any>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <reprise/core/any_gradient.hpp>
#include <reprise/core/arguments.hpp>
#include <reprise/core/error.hpp>
#include <reprise/core/layer_graph.hpp>
#include <reprise/core/pass_context.hpp>
#include <reprise/core/saved_state.hpp>
#include <reprise/core/tensor.hpp>
#include <reprise/program/engine_state.hpp>
#include <reprise/program/lowering.hpp>
#include <reprise/program/profile.hpp>
#include <reprise/program/program.hpp>
#include <reprise/run/lowered_shape.hpp>
#include <reprise/run/originals.hpp>
#include <reprise/run/run_report.hpp>
#include <reprise/run/run_state.hpp>
#include <reprise/run/step_notes.hpp>
#include <reprise/run/storage_overlap.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace reprise::inline v0::running {

/// What the one who runs a forward decides about it.
struct ForwardRun {
  bool is_rerun = false;        ///< the node's forward has run in this pass
  bool will_recompute = false;  ///< its saved state will be dropped and recomputed
  bool skips_output = false;    ///< it makes saved state only
};

/// Calls the forward and the backward of nodes in one pass: with the same context in each run, with
/// the engine's own state as it was for the original, and refusing what breaks a node's promises.
///
/// Where the values lie is the caller's: anything with `at(value) -> Payload&`, which also says how
/// many bytes a value may take, `bytes_of(value)`, and whether what runs may make more,
/// `grow(value, bytes)` and `grow_transient(bytes)`.
template <LayerGraph G>
class NodeCalls {
 public:
  using T = typename G::tensor_type;  ///< what nodes exchange
  using S = typename G::saved_type;   ///< what a node saves

  /// Whether nodes keep saved state in themselves, which is told to go.
  static constexpr bool has_resident = requires(G & g, std::size_t n) { g.release_resident(n); };

  /// Borrows the graph, its lowering and the inputs, which must outlive it.
  NodeCalls(G& graph, std::shared_ptr<RunState> state, const LoweredShape& shape,
            std::vector<T*> inputs, PassContext pass)
      : graph_(graph),
        state_(std::move(state)),
        shape_(shape),
        inputs_(std::move(inputs)),
        pass_(pass),
        uncounted_saved_(graph.size()),
        originals_(graph, lowered(), inputs_, state_->options.verify_replay),
        is_put_off_(graph.size(), 0),
        made_(program().values().size()),
        begun_(program().values().size(), 0) {
    if constexpr (captures_state) states_.resize(graph.size());
    note_inputs();
  }

  /// The number of the pass within its step.
  [[nodiscard]] std::uint64_t micro_batch() const noexcept { return pass_.micro_batch(); }

  /// Makes this pass one of a verified step.
  /// @param notes   takes what happens in it; must outlive the pass
  /// @param follows the notes of the pass before: each call starts with the engine's own state as
  ///                its counterpart there; null in the first
  void note(StepNotes& notes, const StepNotes* follows) noexcept {
    notes_ = &notes;
    follows_ = follows;
  }

  /// What the nodes made so far, if that is more than their profile says: the profile grown to it.
  [[nodiscard]] const std::optional<Profile>& seen() const noexcept { return seen_; }

  /// Runs a node forward and puts what `is_wanted(value)` of what it makes into its place.
  template <class Values, class Wanted>
  void forward(const Operation& op, const ForwardRun& run, Values& values, Wanted&& is_wanted) {
    const std::size_t node = op.node;
    const NodeTraits traits = graph_.traits(node);
    pass_.enter({.node = op.node,
                 .is_recompute = run.is_rerun,
                 .will_recompute = run.will_recompute,
                 .wants_parameter_gradients = !traits.is_frozen,
                 .may_skip_output = run.skips_output});
    arguments_.clear();
    for (const Source& source : graph_.inputs(node)) {
      check_unchanged(source, op, run.is_rerun, values);
      arguments_.push_back(tensor_of(source, values));
    }
    outputs_.clear();
    outputs_.resize(traits.output_count);
    if (seen_ && !run.is_rerun) ask_costs(op, values);
    S saved{};
    call_forward(node, run.is_rerun, saved);
    state_->sample_reserved();
    check_outputs(op, traits, run, saved, values);
    if (!run.is_rerun) note_outputs(node);
    if (state_->options.verify_replay) verify(node, run, saved);
    keep_outputs(op, values, is_wanted, saved);
    count_run(op, run.is_rerun);
  }

  /// Runs a node backward: the gradients of its inputs are made or added to in their places. A node
  /// none of whose outputs has a gradient is not called, and hands on none.
  template <class Values>
  void backward(const Operation& op, Values& values) {
    const std::size_t node = op.node;
    const NodeTraits traits = graph_.traits(node);
    const std::span<const Source> sources = graph_.inputs(node);
    gather_for_backward(op, traits, sources, values);
    if (std::ranges::any_of(gradients_, [](const T* gradient) { return gradient != nullptr; })) {
      call_backward(op, traits, sources, values);
    }
    for (const value_id consumed : op.consumes) values.at(consumed).tensor = T{};
  }

  /// Checks the engine's own gradients of the graph's outputs: what adds to them or reuses their
  /// memory must touch nothing else.
  /// @param output gives the graph's output with a number
  template <class Values, class Output>
  void check_given(std::span<const T> gradients, Values& values, Output&& output) {
    const Operation& loss = program().operations()[program().loss()];
    if (gradients.size() != loss.writes.size()) {
      throw InvalidArgument("backward was given " + std::to_string(gradients.size()) +
                            " gradients for " + std::to_string(loss.writes.size()) + " outputs");
    }
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      check_elements(gradients[i], elements_of(graph_.outputs()[i]),
                     [i] { return "the gradient of output " + std::to_string(i); });
      check_size(gradients[i], loss.writes[i], false, values);
      originals_.note(loss.writes[i], gradients[i]);
    }
    overlap_.clear();
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      overlap_.add(&gradients[i], i, Role::made);
      overlap_.add(&output(i), i, Role::read);
    }
    if (const auto shared = overlap_.first()) {
      throw SharedStorage("the gradient of output " + std::to_string(shared->made) +
                          " shares memory with output " + std::to_string(shared->other) +
                          " or its gradient: hand over a copy");
    }
    overlap_.clear();
    for (std::size_t i = 0; i < gradients.size(); ++i) overlap_.add(&gradients[i], i, Role::made);
    for (std::size_t i = 0; i < inputs_.size(); ++i) overlap_.add(inputs_[i], i, Role::given);
    if (overlap_.first()) check_shares_no_input(gradients);
  }

 private:
  using Role = typename StorageOverlap<T>::Role;

  static constexpr bool captures_state = CapturesState<G>;

  [[nodiscard]] const LoweredGraph& lowered() const { return shape_.lowered; }
  [[nodiscard]] const Program& program() const { return shape_.lowered.program; }

  template <class Values>
  [[nodiscard]] T* tensor_of(Source source, Values& values) {
    return source.is_graph_input() ? inputs_[source.port]
                                   : &values.at(lowered().outputs[source.node][source.port]).tensor;
  }

  template <class Values>
  [[nodiscard]] S& saved_of(std::size_t node, Values& values) {
    const value_id saved = lowered().saved[node];
    return saved == LoweredGraph::no_value ? uncounted_saved_[node].saved : values.at(saved).saved;
  }

  // What runs for the first time reads what nobody has had much time to change: its content is not
  // looked into.
  template <class Values>
  void check_unchanged(Source source, const Operation& reader, bool looks_inside, Values& values) {
    if (source.is_graph_input()) {
      return originals_.check_input(source.port, *inputs_[source.port], reader, looks_inside);
    }
    const value_id value = lowered().outputs[source.node][source.port];
    originals_.check_tensor(value, values.at(value), reader, looks_inside);
  }

  template <class Values>
  void check_saved(const Operation& backward, Values& values) {
    const value_id saved = lowered().saved[backward.node];
    const Payload<T, S>& payload =
        saved == LoweredGraph::no_value ? uncounted_saved_[backward.node] : values.at(saved);
    originals_.check_saved(backward.node, payload.saved, payload.version, backward);
  }

  void call_forward(std::size_t node, bool is_rerun, S& saved) {
    const auto call = [&] {
      graph_.forward(node, Arguments<T>(arguments_), std::span<T>(outputs_), saved, pass_);
    };
    if constexpr (captures_state) {
      if (!is_rerun) {
        if (follows_ != nullptr) restore(node, follows_->forward_states[node]);
        states_[node] = graph_.capture_state(node);
        if (notes_ != nullptr) notes_->forward_states[node] = states_[node];
      } else if (states_[node].has_value()) {
        const StateGuard guard(graph_, node, states_[node]);
        return call();
      }
    }
    call();
  }

  void restore([[maybe_unused]] std::size_t node, [[maybe_unused]] const std::any& state) {
    if constexpr (captures_state) {
      if (state.has_value()) graph_.restore_state(node, state);
    }
  }

  [[nodiscard]] static bool may_hide_gradients(const NodeTraits& traits) noexcept {
    constexpr bool shows = requires(G & g, std::size_t n) {
      g.for_each_gradient(n, node::AnyGradient{});
    };
    return !traits.is_frozen && (traits.hides_gradients || !shows);
  }

  // What backward reads decides its result, so it is compared where a node shows no gradients.
  template <class Values>
  void note_backward(std::size_t node, const NodeTraits& traits, Values& values) {
    if constexpr (captures_state) {
      if (follows_ != nullptr) restore(node, follows_->backward_states[node]);
      notes_->backward_states[node] = graph_.capture_state(node);
    }
    ++notes_->backwards;
    if (!may_hide_gradients(traits)) return;
    notes_->without_gradients.push_back(node);
    if constexpr (ChecksummableTensor<T>) {
      const auto note_all = [&](BackwardRead kind, const std::vector<T*>& tensors) {
        for (std::size_t i = 0; i < tensors.size(); ++i) {
          if (tensors[i] == nullptr) continue;
          notes_->reads.push_back({.node = node,
                                   .kind = kind,
                                   .index = i,
                                   .checksum = tensor_traits<T>::checksum(*tensors[i])});
        }
      };
      note_all(BackwardRead::gradient, gradients_);
      note_all(BackwardRead::input, arguments_);
      note_all(BackwardRead::output, reads_);
      notes_->reads.push_back({.node = node,
                               .kind = BackwardRead::saved,
                               .checksum = saved_checksum(saved_of(node, values))});
    }
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

  template <class Values>
  void check_size(const T& tensor, value_id value, bool may_grow, Values& values) {
    check_bytes(program().values()[value].kind == ValueKind::gradient
                    ? static_cast<byte_count>(tensor_traits<T>::bytes(tensor))
                    : counted_bytes(tensor),
                value, may_grow, values);
  }

  // What is made for the first time may be more than the profile says. A copy has the bytes of its
  // original, a gradient those of its tensor.
  template <class Values>
  void check_bytes(byte_count bytes, value_id value, bool may_grow, Values& values) {
    const byte_count known = values.bytes_of(value);
    if (bytes <= known) return;
    if (may_grow) note_seen(value, bytes);
    if (may_grow && values.grow(value, bytes)) return;
    throw ProfileMismatch(program().describe(value) + " has " + std::to_string(bytes) +
                          " bytes, its profile says " + std::to_string(known) +
                          (may_grow ? ", and the budget has no room for more" : ""));
  }

  // Inputs of one signature may differ in bytes, and so do their gradients.
  void note_inputs() {
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      const auto bytes = static_cast<byte_count>(tensor_traits<T>::bytes(*inputs_[i]));
      if (bytes <= shape_.profile.input_bytes[i]) continue;
      if (!seen_) seen_ = shape_.profile;
      seen_->input_bytes[i] = bytes;
    }
  }

  void note_seen(value_id value, byte_count bytes) {
    if (!seen_) seen_ = shape_.profile;
    const Value& v = program().values()[value];
    const auto raise = [bytes](byte_count& known) { known = std::max(known, bytes); };
    NodeProfile& node = seen_->nodes[v.node];
    if (v.kind == ValueKind::saved) return raise(node.saved_bytes);
    raise(node.output_bytes[v.port]);
    raise(node.gradient_bytes[v.port]);
  }

  // What comes after a tensor that was larger than its profile may take more while it runs.
  template <class Values>
  void ask_costs(const Operation& op, Values& values) {
    if constexpr (requires { graph_.costs(op.node, Arguments<T>(arguments_)); }) {
      const NodeProfile asked{.costs = graph_.costs(op.node, Arguments<T>(arguments_))};
      grow(seen_->nodes[op.node], asked);
      const byte_count bytes = asked.costs.forward_transient_bytes;
      if (bytes <= op.transient_bytes || values.grow_transient(bytes)) return;
      throw ProfileMismatch(
          "forward of node " + std::to_string(op.node) + " takes " + std::to_string(bytes) +
          " bytes beyond what it makes, its profile says " + std::to_string(op.transient_bytes));
    }
  }

  template <class Values>
  void check_outputs(const Operation& op, const NodeTraits& traits, const ForwardRun& run,
                     const S& saved, Values& values) {
    const std::size_t node = op.node;
    for (std::size_t port = 0; port < outputs_.size(); ++port) {
      const value_id value = lowered().outputs[node][port];
      check_size(outputs_[port], value, !run.is_rerun, values);
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
      if (!run.is_rerun && run.will_recompute && bytes == 0) is_put_off_[node] = 1;
      check_bytes(bytes, saved_value, !run.is_rerun || is_put_off_[node] != 0, values);
    } else if (bytes > 0) {
      if (!seen_) seen_ = shape_.profile;
      seen_->nodes[node].saved_bytes = bytes;
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

  void verify(std::size_t node, const ForwardRun& run, const S& saved) {
    for (std::size_t port = 0; port < outputs_.size() && !run.skips_output; ++port) {
      originals_.compare_output(lowered().outputs[node][port], outputs_[port]);
    }
    // What will be recomputed may be empty until then.
    const bool is_put_off = run.will_recompute && saved_bytes(saved) == 0;
    if (!is_put_off) originals_.compare_saved(node, saved);
  }

  // Copies of what is present go here, at the end of the run.
  template <class Values, class Wanted>
  void keep_outputs(const Operation& op, Values& values, Wanted& is_wanted, S& saved) {
    for (const value_id consumed : op.consumes) values.at(consumed).tensor = T{};
    for (std::size_t port = 0; port < outputs_.size(); ++port) {
      const value_id value = lowered().outputs[op.node][port];
      if (!is_wanted(value)) continue;
      Payload<T, S>& payload = values.at(value);
      payload.version = version_of(outputs_[port]);
      payload.tensor = std::move(outputs_[port]);
    }
    outputs_.clear();
    const value_id saved_value = lowered().saved[op.node];
    const bool is_uncounted = saved_value == LoweredGraph::no_value;
    if (is_uncounted || is_wanted(saved_value)) {
      Payload<T, S>& payload = is_uncounted ? uncounted_saved_[op.node] : values.at(saved_value);
      payload.version = saved_versions(saved);
      payload.saved = std::move(saved);
    }
    saved = S{};
  }

  void count_run(const Operation& op, bool is_rerun) {
    RunReport& report = state_->report;
    if (!is_rerun) {
      report.forward_cost += op.cost;
      return;
    }
    report.recomputed_cost += op.cost;
    ++report.recomputes_per_layer[op.layer];
    report.recomputed_cost_per_layer[op.layer] += op.cost;
  }

  template <class Values>
  void gather_for_backward(const Operation& op, const NodeTraits& traits,
                           std::span<const Source> sources, Values& values) {
    const std::size_t node = op.node;
    arguments_.clear();
    for (std::size_t i = 0; i < sources.size(); ++i) {
      const bool is_read = traits.backward_reads.has_input(i);
      if (is_read) check_unchanged(sources[i], op, true, values);
      arguments_.push_back(is_read ? tensor_of(sources[i], values) : nullptr);
    }
    reads_.clear();
    gradients_.clear();
    for (std::uint32_t port = 0; port < traits.output_count; ++port) {
      const bool is_read = traits.backward_reads.of_output;
      const Source output{.node = op.node, .port = port};
      if (is_read) check_unchanged(output, op, true, values);
      reads_.push_back(is_read ? tensor_of(output, values) : nullptr);
      const value_id gradient = lowered().gradients[node][port];
      gradients_.push_back(gradient_to_hand(gradient, lowered().outputs[node][port], values));
      if (gradients_.back() != nullptr) originals_.check_content(gradient, *gradients_.back(), op);
    }
    check_saved(op, values);
  }

  [[nodiscard]] value_id gradient_of(Source source) const {
    return source.is_graph_input() ? lowered().input_gradients[source.port]
                                   : lowered().gradients[source.node][source.port];
  }

  [[nodiscard]] static bool has_memory(const T& tensor) {
    return tensor_traits<T>::storage(tensor) != nullptr;
  }

  // Null for none. An empty output is different: its gradient is empty as well, and is one.
  template <class Values>
  [[nodiscard]] T* gradient_to_hand(value_id gradient, value_id output, Values& values) const {
    if (gradient == LoweredGraph::no_value) return nullptr;
    T& tensor = values.at(gradient).tensor;
    return has_memory(tensor) || made_[output].is_empty ? &tensor : nullptr;
  }

  template <class Values>
  void call_backward(const Operation& op, const NodeTraits& traits, std::span<const Source> sources,
                     Values& values) {
    const std::size_t node = op.node;
    place_gradients(traits, sources, values);
    pass_.enter({.node = op.node,
                 .wants_parameter_gradients = !traits.is_frozen,
                 .unwanted_input_gradients = unwanted_});
    if (notes_ != nullptr) note_backward(node, traits, values);
    graph_.backward(node, Arguments<T>(arguments_), Arguments<T>(reads_), saved_of(node, values),
                    Arguments<T>(gradients_), pass_, std::span<T* const>(places_));
    state_->sample_reserved();
    check_gradients(node, traits, sources, values);
    accumulate_parts(node, sources, values);
    if (originals_.verifies()) note_gradients(sources, values);
  }

  // The first part of a gradient that is there becomes it; later ones get a place of their own,
  // unless the node adds in place.
  template <class Values>
  void place_gradients(const NodeTraits& traits, std::span<const Source> sources, Values& values) {
    places_.assign(sources.size(), nullptr);
    parts_.clear();
    parts_.resize(sources.size());
    ++backwards_;
    for (std::size_t i = 0; i < sources.size(); ++i) {
      const value_id gradient = gradient_of(sources[i]);
      if (!traits.differentiates.has_input(i) || gradient == LoweredGraph::no_value) continue;
      T& whole = values.at(gradient).tensor;
      const bool is_begun = std::exchange(begun_[gradient], backwards_) == backwards_;
      places_[i] =
          traits.accumulates_in_place || (!is_begun && !has_memory(whole)) ? &whole : &parts_[i];
    }
    unwanted_ = unwanted_input_gradients(places_.size(),
                                         [this](std::size_t i) { return places_[i] == nullptr; });
  }

  template <class Values>
  void check_gradients(std::size_t node, const NodeTraits& traits, std::span<const Source> sources,
                       Values& values) {
    overlap_.clear();
    for (std::size_t i = 0; i < places_.size(); ++i) {
      if (places_[i] == nullptr || !has_memory(*places_[i])) continue;
      check_elements(*places_[i], elements_of(sources[i]), [&] { return returned(node, i); });
      check_size(*places_[i], gradient_of(sources[i]), false, values);
      overlap_.add(places_[i], i, Role::made);
    }
    for (std::size_t i = 0; i < gradients_.size() && !traits.consumes.of_gradient; ++i) {
      overlap_.add(gradients_[i], i, Role::given);
    }
    for (const std::vector<T*>* read : {&arguments_, &reads_}) {
      for (std::size_t i = 0; i < read->size(); ++i) overlap_.add((*read)[i], i, Role::read);
    }
    const auto shared = overlap_.first();
    if (!shared) return;
    throw SharedStorage(returned(node, shared->made) +
                        (shared->role == Role::read
                             ? " shares memory with what its backward reads: return a copy"
                             : " shares memory with another gradient: return a copy"));
  }

  [[nodiscard]] static std::string returned(std::size_t node, std::size_t input) {
    return "the gradient that node " + std::to_string(node) + " returns for its input " +
           std::to_string(input);
  }

  template <class Values>
  void accumulate_parts(std::size_t node, std::span<const Source> sources, Values& values) {
    for (std::size_t i = 0; i < places_.size(); ++i) {
      if (places_[i] != &parts_[i] || !has_memory(parts_[i])) continue;
      T& whole = values.at(gradient_of(sources[i])).tensor;
      if (has_memory(whole)) {
        accumulate(node, i, whole);
      } else {
        whole = std::move(parts_[i]);
      }
      parts_[i] = T{};
    }
  }

  template <class Values>
  void note_gradients(std::span<const Source> sources, Values& values) {
    for (std::size_t i = 0; i < places_.size(); ++i) {
      if (places_[i] == nullptr) continue;
      const value_id gradient = gradient_of(sources[i]);
      originals_.note(gradient, values.at(gradient).tensor);
    }
  }

  void accumulate(std::size_t node, std::size_t input, T& whole) {
    try {
      tensor_traits<T>::accumulate(whole, parts_[input]);
    } catch (const InvalidArgument& refused) {
      throw InvalidArgument(returned(node, input) + ": " + refused.what());
    }
  }

  // ---- what tensors were like when they were made: their gradients are like them ---------------

  struct Made {
    std::size_t elements = 0;
    bool is_empty = false;
  };

  [[nodiscard]] static Made made_like(const T& tensor) {
    Made made{.is_empty = !has_memory(tensor)};
    if constexpr (CountsElements<T>) {
      made.elements = tensor_traits<T>::elements(tensor);
      made.is_empty = made.elements == 0;
    }
    return made;
  }

  void note_outputs(std::size_t node) {
    for (std::size_t port = 0; port < outputs_.size(); ++port) {
      made_[lowered().outputs[node][port]] = made_like(outputs_[port]);
    }
  }

  [[nodiscard]] std::size_t elements_of(Source source) const {
    return source.is_graph_input() ? made_like(*inputs_[source.port]).elements
                                   : made_[lowered().outputs[source.node][source.port]].elements;
  }

  template <class Name>
  void check_elements([[maybe_unused]] const T& gradient, [[maybe_unused]] std::size_t expected,
                      [[maybe_unused]] Name&& name) const {
    if constexpr (CountsElements<T>) {
      const std::size_t elements = tensor_traits<T>::elements(gradient);
      if (elements == expected || !has_memory(gradient)) return;
      throw InvalidArgument(name() + " has " + std::to_string(elements) +
                            " elements, what it is the gradient of has " +
                            std::to_string(expected));
    }
  }

  // Backward may add to such a gradient or reuse its memory, and the input is the engine's.
  // Linearithmic in both, and linear in the program.
  void check_shares_no_input(std::span<const T> gradients) const {
    struct Input {
      const void* storage;
      std::size_t number;
    };
    std::vector<Input> inputs;
    for (std::size_t input = 0; input < inputs_.size(); ++input) {
      if (inputs_[input] == nullptr) continue;
      inputs.push_back({tensor_traits<T>::storage(*inputs_[input]), input});
    }
    std::ranges::stable_sort(inputs, std::less<>{}, &Input::storage);
    const std::vector<std::uint8_t> is_changed = changed_in_backward();
    for (std::size_t index = 0; index < gradients.size(); ++index) {
      const void* const storage = tensor_traits<T>::storage(gradients[index]);
      const auto input = std::ranges::lower_bound(inputs, storage, std::less<>{}, &Input::storage);
      if (storage == nullptr || input == inputs.end() || input->storage != storage) continue;
      const value_id gradient = program().operations()[program().loss()].writes[index];
      if (is_changed[gradient] == 0) continue;
      throw SharedStorage("the gradient of output " + std::to_string(index) +
                          " shares memory with graph input " + std::to_string(input->number) +
                          ", and backward adds to it or reuses it: hand over a copy");
    }
  }

  // Of each value, whether a backward adds to it or takes over its memory.
  [[nodiscard]] std::vector<std::uint8_t> changed_in_backward() const {
    std::vector<std::uint8_t> is_changed(program().values().size(), 0);
    for (const Operation& op : program().operations()) {
      for (const value_id value : op.accumulates) is_changed[value] = 1;
      for (const value_id value : op.consumes) is_changed[value] = 1;
    }
    return is_changed;
  }

  G& graph_;
  std::shared_ptr<RunState> state_;
  const LoweredShape& shape_;
  std::optional<Profile> seen_;  ///< the profile, grown to what was made, if that is more
  std::vector<T*> inputs_;
  PassContext pass_;
  StepNotes* notes_ = nullptr;
  const StepNotes* follows_ = nullptr;
  std::vector<Payload<T, S>> uncounted_saved_;  ///< by node: saved state of no bytes
  Originals<G> originals_;
  std::vector<std::uint8_t> is_put_off_;  ///< by node: its saved state was left to a rerun
  std::vector<std::any> states_;
  std::vector<Made> made_;            ///< outputs, by value, when they were made first
  std::vector<std::uint64_t> begun_;  ///< by gradient: the last backward that had a place for it
  std::uint64_t backwards_ = 0;       ///< called so far

  std::vector<T*> arguments_;
  std::vector<T*> reads_;
  std::vector<T*> gradients_;
  std::vector<T*> places_;
  std::vector<T> outputs_;
  std::vector<T> parts_;
  StorageOverlap<T> overlap_;
  std::uint32_t unwanted_ = 0;
};

}  // namespace reprise::inline v0::running
