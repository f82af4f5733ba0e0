// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Calls the nodes of a layer graph for one pass.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <reprise/core/any_gradient.hpp>
#include <reprise/core/arguments.hpp>
#include <reprise/core/error.hpp>
#include <reprise/core/layer_graph.hpp>
#include <reprise/core/pass_context.hpp>
#include <reprise/core/saved_state.hpp>
#include <reprise/core/tensor.hpp>
#include <reprise/core/units.hpp>
#include <reprise/program/cost/node_call.hpp>
#include <reprise/program/lowering.hpp>
#include <reprise/program/profile.hpp>
#include <reprise/program/program.hpp>
#include <reprise/run/given_gradients.hpp>
#include <reprise/run/gradient_places.hpp>
#include <reprise/run/lowered_shape.hpp>
#include <reprise/run/made_tensors.hpp>
#include <reprise/run/node_states.hpp>
#include <reprise/run/node_timer.hpp>
#include <reprise/run/originals.hpp>
#include <reprise/run/output_check.hpp>
#include <reprise/run/profile_check.hpp>
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
        states_(graph),
        originals_(graph, lowered(), inputs_, state_->options.verify_replay),
        profile_(graph, shape, inputs_),
        made_(lowered(), inputs_),
        places_(lowered()),
        is_put_off_(graph.size(), 0) {
    if (!shape.is_settled) turn_ = state_->timer->begin_pass(shape.profile);
  }

  /// The number of the pass within its step.
  [[nodiscard]] std::uint64_t micro_batch() const noexcept { return pass_.micro_batch(); }

  /// What values were when they were made.
  [[nodiscard]] Originals<G>& originals() noexcept { return originals_; }

  /// Makes this pass one of a verified step.
  /// @param notes   takes what happens in it; must outlive the pass
  /// @param follows the notes of the pass before: each call starts with the engine's own state as
  ///                its counterpart there; null in the first
  void note(StepNotes& notes, const StepNotes* follows) noexcept { states_.note(notes, follows); }

  /// What the nodes made so far, if that is more than their profile says: the profile grown to it.
  [[nodiscard]] const std::optional<Profile>& seen() const noexcept { return profile_.seen(); }

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
      arguments_.push_back(tensor_of(source, op, values));
    }
    outputs_.clear();
    outputs_.resize(traits.output_count);
    if (!run.is_rerun) profile_.ask_costs(op, arguments_, values);
    S saved{};
    states_.forward(node, run.is_rerun, [&] {
      timed(node, run.is_rerun ? NodeCall::recompute : NodeCall::forward, [&] {
        graph_.forward(node, Arguments<T>(arguments_), std::span<T>(outputs_), saved, pass_);
      });
    });
    state_->sample_reserved();
    check_outputs(op, traits, run, saved, values);
    if (!run.is_rerun) made_.note(node, outputs_);
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
    const GivenGradients<T> given(program(), inputs_, gradients);
    given.check_count();
    const Operation& loss = program().operations()[program().loss()];
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      made_.check_gradient(gradients[i], graph_.outputs()[i],
                           [i] { return "the gradient of output " + std::to_string(i); });
      profile_.check_tensor(gradients[i], loss.writes[i], false, values);
      originals_.note(loss.writes[i], gradients[i]);
    }
    given.check_memory(overlap_, output);
  }

 private:
  using Role = typename StorageOverlap<T>::Role;

  [[nodiscard]] const LoweredGraph& lowered() const { return shape_.lowered; }
  [[nodiscard]] const Program& program() const { return shape_.lowered.program; }

  // Until enough is known of the shape.
  template <class F>
  void timed(std::size_t node, NodeCall call, F&& f) {
    if (shape_.is_settled) return f();
    state_->timer->time(turn_, node, shape_.profile.nodes[node], call, f);
  }

  template <class Values>
  [[nodiscard]] T* tensor_of(Source source, const Operation& reader, Values& values) {
    return source.is_graph_input() ? inputs_[source.port]
                                   : &values.at(read_as(source, reader)).tensor;
  }

  [[nodiscard]] value_id read_as(Source source, const Operation& reader) const {
    return read_as(lowered().outputs[source.node][source.port], reader);
  }

  // What an operation reads where it asks for a value: that, or what was restored of it.
  [[nodiscard]] value_id read_as(value_id output, const Operation& reader) const {
    if (!program().has_forms() || reader.kind != OperationKind::backward) return output;
    const auto restored = std::ranges::find_if(reader.reads, [&](value_id read) {
      const Value& value = program().values()[read];
      return value.kind == ValueKind::restored && value.form_of == output;
    });
    return restored == reader.reads.end() ? output : *restored;
  }

  // Those of a node that are values of their own.
  [[nodiscard]] std::span<const SavedTensor> saved_tensors_of(std::size_t node) const {
    if (lowered().saved_tensors.empty()) return {};
    return lowered().saved_tensors[node];
  }

  // Where the tensors of a saved state are in it.
  [[nodiscard]] std::vector<T*> places_in(S& saved) const {
    std::vector<T*> places;
    for_each_saved_tensor<T>(saved, [&](T& tensor) { places.push_back(&tensor); });
    return places;
  }

  // Tensors that are values of their own leave the saved state between its calls.
  void take_tensors_of(std::size_t node, S& saved) {
    saved_tensors_.clear();
    const std::span<const SavedTensor> tensors = saved_tensors_of(node);
    if (tensors.empty()) return;
    const std::vector<T*> places = places_in(saved);
    for (const SavedTensor& tensor : tensors) {
      saved_tensors_.emplace_back();
      if (tensor.number >= places.size()) continue;
      check_is_apart(node, tensor.number, places);
      saved_tensors_.back() = std::exchange(*places[tensor.number], T{});
    }
  }

  void check_is_apart(std::size_t node, std::size_t number, const std::vector<T*>& places) const {
    const void* const storage = tensor_traits<T>::storage(*places[number]);
    for (std::size_t other = 0; storage != nullptr && other < places.size(); ++other) {
      if (other == number || tensor_traits<T>::storage(*places[other]) != storage) continue;
      throw SharedStorage("saved tensors " + std::to_string(number) + " and " +
                          std::to_string(other) + " of node " + std::to_string(node) +
                          " share memory, and did not when they were measured");
    }
  }

  // Into the saved state, and out of it again.
  template <class Values>
  void exchange_saved_tensors(const Operation& backward, Values& values) {
    const std::span<const SavedTensor> tensors = saved_tensors_of(backward.node);
    if (tensors.empty()) return;
    const std::vector<T*> places = places_in(saved_of(backward.node, values));
    for (const SavedTensor& tensor : tensors) {
      if (tensor.number >= places.size()) continue;
      std::swap(*places[tensor.number], values.at(read_as(tensor.value, backward)).tensor);
    }
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
    const value_id value = read_as(source, reader);
    originals_.check_tensor(value, values.at(value), reader, looks_inside);
  }

  template <class Values>
  void check_saved(const Operation& backward, Values& values) {
    const value_id saved = lowered().saved[backward.node];
    const Payload<T, S>& payload =
        saved == LoweredGraph::no_value ? uncounted_saved_[backward.node] : values.at(saved);
    originals_.check_saved(backward.node, payload.saved, payload.version, backward);
  }

  [[nodiscard]] static bool may_hide_gradients(const NodeTraits& traits) noexcept {
    constexpr bool shows = requires(G & g, std::size_t n) {
      g.for_each_gradient(n, node::AnyGradient{});
    };
    return !traits.is_frozen && (traits.hides_gradients || !shows);
  }

  // What backward reads decides its result, so it is compared where a node shows no gradients.
  template <class Values>
  void note_backward(StepNotes& notes, std::size_t node, const NodeTraits& traits, Values& values) {
    states_.before_backward(node);
    ++notes.backwards;
    if (!may_hide_gradients(traits)) return;
    notes.without_gradients.push_back(node);
    if constexpr (ChecksummableTensor<T>) {
      const auto note_all = [&](BackwardRead kind, const std::vector<T*>& tensors) {
        for (std::size_t i = 0; i < tensors.size(); ++i) {
          if (tensors[i] == nullptr) continue;
          notes.reads.push_back({.node = node,
                                 .kind = kind,
                                 .index = i,
                                 .checksum = tensor_traits<T>::checksum(*tensors[i])});
        }
      };
      note_all(BackwardRead::gradient, gradients_);
      note_all(BackwardRead::input, arguments_);
      note_all(BackwardRead::output, reads_);
      notes.reads.push_back({.node = node,
                             .kind = BackwardRead::saved,
                             .checksum = saved_checksum(saved_of(node, values))});
    }
  }

  template <class Values>
  void check_outputs(const Operation& op, const NodeTraits& traits, const ForwardRun& run, S& saved,
                     Values& values) {
    const std::size_t node = op.node;
    const OutputCheck<T, S> check(node, traits, arguments_, outputs_, saved);
    for (std::size_t port = 0; port < outputs_.size(); ++port) {
      profile_.check_tensor(outputs_[port], lowered().outputs[node][port], !run.is_rerun, values);
      if (pass_.may_skip_output()) check.check_skipped(port);
      check.check_memory(port);
    }
    check.check_inputs_not_saved();
    take_tensors_of(node, saved);
    for (std::size_t i = 0; i < saved_tensors_.size(); ++i) {
      profile_.check_tensor(saved_tensors_[i], saved_tensors_of(node)[i].value, !run.is_rerun,
                            values);
    }
    const byte_count bytes = saved_bytes(saved) + resident_bytes(graph_, node);
    if (!run.is_rerun && run.will_recompute && bytes == 0) is_put_off_[node] = 1;
    profile_.check_saved(node, bytes, !run.is_rerun || is_put_off_[node] != 0, values);
  }

  void verify(std::size_t node, const ForwardRun& run, const S& saved) {
    for (std::size_t port = 0; port < outputs_.size() && !run.skips_output; ++port) {
      originals_.compare_output(lowered().outputs[node][port], outputs_[port]);
    }
    for (std::size_t i = 0; i < saved_tensors_.size(); ++i) {
      originals_.compare_output(saved_tensors_of(node)[i].value, saved_tensors_[i]);
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
    for (std::size_t i = 0; i < saved_tensors_.size(); ++i) {
      const value_id value = saved_tensors_of(op.node)[i].value;
      if (!is_wanted(value)) continue;
      Payload<T, S>& payload = values.at(value);
      payload.version = version_of(saved_tensors_[i]);
      payload.tensor = std::move(saved_tensors_[i]);
    }
    saved_tensors_.clear();
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
    const double flops = shape_.profile.nodes[op.node].costs.forward_flops.value_or(0);
    if (!is_rerun) {
      report.forward_cost += op.cost;
      report.forward_flops += flops;
      return;
    }
    report.recomputed_cost += op.cost;
    report.recomputed_flops += flops;
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
      arguments_.push_back(is_read ? tensor_of(sources[i], op, values) : nullptr);
    }
    reads_.clear();
    gradients_.clear();
    for (std::uint32_t port = 0; port < traits.output_count; ++port) {
      const bool is_read = traits.backward_reads.of_output;
      const Source output{.node = op.node, .port = port};
      if (is_read) check_unchanged(output, op, true, values);
      reads_.push_back(is_read ? tensor_of(output, op, values) : nullptr);
      const value_id gradient = lowered().gradients[node][port];
      gradients_.push_back(gradient_to_hand(gradient, lowered().outputs[node][port], values));
      if (gradients_.back() != nullptr) originals_.check_content(gradient, *gradients_.back(), op);
    }
    check_saved(op, values);
    for (const SavedTensor& tensor : saved_tensors_of(node)) {
      const value_id value = read_as(tensor.value, op);
      originals_.check_tensor(value, values.at(value), op, true);
    }
  }

  // Null for none. An empty output is different: its gradient is empty as well, and is one.
  template <class Values>
  [[nodiscard]] T* gradient_to_hand(value_id gradient, value_id output, Values& values) const {
    if (gradient == LoweredGraph::no_value) return nullptr;
    T& tensor = values.at(gradient).tensor;
    return has_memory(tensor) || made_.was_empty(output) ? &tensor : nullptr;
  }

  template <class Values>
  void call_backward(const Operation& op, const NodeTraits& traits, std::span<const Source> sources,
                     Values& values) {
    const std::size_t node = op.node;
    places_.choose(traits, sources, values);
    pass_.enter({.node = op.node,
                 .wants_parameter_gradients = !traits.is_frozen,
                 .unwanted_input_gradients = places_.unwanted()});
    exchange_saved_tensors(op, values);
    if (StepNotes* const notes = states_.notes()) note_backward(*notes, node, traits, values);
    timed(node, NodeCall::backward, [&] {
      graph_.backward(node, Arguments<T>(arguments_), Arguments<T>(reads_), saved_of(node, values),
                      Arguments<T>(gradients_), pass_, std::span<T* const>(places_.places()));
    });
    exchange_saved_tensors(op, values);
    state_->sample_reserved();
    check_gradients(node, traits, sources, values);
    places_.accumulate(node, sources, values);
    if (originals_.verifies()) note_gradients(sources, values);
  }

  template <class Values>
  void check_gradients(std::size_t node, const NodeTraits& traits, std::span<const Source> sources,
                       Values& values) {
    overlap_.clear();
    const std::vector<T*>& places = places_.places();
    for (std::size_t i = 0; i < places.size(); ++i) {
      if (places[i] == nullptr || !has_memory(*places[i])) continue;
      made_.check_gradient(*places[i], sources[i],
                           [&] { return GradientPlaces<T>::described(node, i); });
      profile_.check_tensor(*places[i], places_.gradient_of(sources[i]), false, values);
      overlap_.add(places[i], i, Role::made);
    }
    for (std::size_t i = 0; i < gradients_.size() && !traits.consumes.of_gradient; ++i) {
      overlap_.add(gradients_[i], i, Role::given);
    }
    for (const std::vector<T*>* read : {&arguments_, &reads_}) {
      for (std::size_t i = 0; i < read->size(); ++i) overlap_.add((*read)[i], i, Role::read);
    }
    const auto shared = overlap_.first();
    if (!shared) return;
    throw SharedStorage(GradientPlaces<T>::described(node, shared->made) +
                        (shared->role == Role::read
                             ? " shares memory with what its backward reads: return a copy"
                             : " shares memory with another gradient: return a copy"));
  }

  template <class Values>
  void note_gradients(std::span<const Source> sources, Values& values) {
    const std::vector<T*>& places = places_.places();
    for (std::size_t i = 0; i < places.size(); ++i) {
      if (places[i] == nullptr) continue;
      const value_id gradient = places_.gradient_of(sources[i]);
      originals_.note(gradient, values.at(gradient).tensor);
    }
  }

  G& graph_;
  std::shared_ptr<RunState> state_;
  const LoweredShape& shape_;
  NodeTimer::Turn turn_{};
  std::vector<T*> inputs_;
  PassContext pass_;
  std::vector<Payload<T, S>> uncounted_saved_;  ///< by node: saved state of no bytes
  NodeStates<G> states_;
  Originals<G> originals_;
  ProfileCheck<G> profile_;
  MadeTensors<T> made_;
  GradientPlaces<T> places_;
  std::vector<std::uint8_t> is_put_off_;  ///< by node: its saved state was left to a rerun

  std::vector<T*> arguments_;
  std::vector<T*> reads_;
  std::vector<T*> gradients_;
  std::vector<T> outputs_;
  std::vector<T> saved_tensors_;  ///< of the node that runs forward
  StorageOverlap<T> overlap_;
};

}  // namespace reprise::inline v0::running
