// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Runs the steps of a training.

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <istream>
#include <memory>
#include <ostream>
#include <reprise/core/error.hpp>
#include <reprise/core/layer_graph.hpp>
#include <reprise/core/pass_context.hpp>
#include <reprise/core/state_words.hpp>
#include <reprise/core/units.hpp>
#include <reprise/planner/budget_infeasible.hpp>
#include <reprise/program/cost/measured_time.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/sweep_forward.hpp>
#include <reprise/run/call_rules.hpp>
#include <reprise/run/checkpointed_options.hpp>
#include <reprise/run/graph_fingerprint.hpp>
#include <reprise/run/known_shapes.hpp>
#include <reprise/run/lower_shape.hpp>
#include <reprise/run/lowered_shape.hpp>
#include <reprise/run/micro_batches.hpp>
#include <reprise/run/node_timer.hpp>
#include <reprise/run/pass.hpp>
#include <reprise/run/pass_comparison.hpp>
#include <reprise/run/pass_strategy.hpp>
#include <reprise/run/run_report.hpp>
#include <reprise/run/run_state.hpp>
#include <reprise/run/step_verification.hpp>
#include <reprise/stats/no_tracker.hpp>
#include <reprise/stats/statistics_tracker.hpp>
#include <reprise/store/chosen_form.hpp>
#include <reprise/store/no_forms.hpp>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace reprise::inline v0::running {

/// Runs the steps of a training and the passes in them, each as a strategy chooses, and remembers
/// the shapes of their inputs: all that `Checkpointed` does once its arguments are in order.
template <LayerGraph G, StatisticsTracker Tracker, PassStrategy Strategy>
class StepRunner {
 public:
  using tensor_type = typename G::tensor_type;         ///< what nodes exchange
  using store_type = typename Strategy::store_type;    ///< holds the values of passes
  using player_type = typename Strategy::player_type;  ///< plays a pass
  using pass_type = Pass<G, player_type>;              ///< between its forward and its backward
  using pointers = std::vector<tensor_type*>;          ///< to the graph's inputs, in their order
  /// How the tracker is handed over: one without state needs no owner.
  using held_tracker = std::conditional_t<std::same_as<Tracker, NoTracker>, NoTracker,
                                          std::reference_wrapper<Tracker>>;

  /// Borrows the graph, the tracker and the store.
  StepRunner(G& graph, held_tracker tracker, Strategy strategy, store_type& store,
             CheckpointedOptions&& options)
      : graph_(&graph),
        tracker_(tracker),
        strategy_(std::move(strategy)),
        store_(&store),
        state_(std::make_shared<RunState>(RunState{.options = std::move(options)})),
        rules_(graph, state_),
        layers_(layer_count(graph)),
        shapes_(graph, state_->options.max_shapes, state_->options.input_gradients,
                state_->options.cost_model, form_chooser()) {
    check_graph(graph);
    rules_.check_options();
    state_->timer = make_timer();
    clear_report();
  }

  /// Begins an optimiser step, see `Checkpointed::begin_step`.
  void begin_step() {
    rules_.check_not_playing("begin_step");
    rules_.check_none_in_flight("begin_step");
    tracker().abandon_step();
    strategy_.begin_step(tracker(), step_);
    micro_batches_.begin_step();
    rules_.begin_step();
    clear_report();
  }

  /// Ends it, see `Checkpointed::end_step`.
  template <class... Scale>
  void end_step(const Scale&... scale) {
    rules_.check_not_playing("end_step");
    if (!rules_.is_in_step()) throw InvalidState("end_step without begin_step");
    rules_.check_none_in_flight("end_step");
    tracker().end_step(scale...);
    ++step_;
    rules_.end_step();
  }

  /// Runs a forward, see `Checkpointed::forward`.
  [[nodiscard]] pass_type forward(pointers inputs) {
    rules_.check_forward("forward", inputs.size());
    const auto playing = rules_.play();
    const PassContext::Identity identity = identity_of(micro_batches_.next());
    auto [shape, choice] = choose(inputs, identity);
    ++state_->report.passes;
    state_->report.cost_is_flops = shape->lowered.program.cost_is_flops();
    state_->report.store_all_cost += shape->lowered.store_all_cost;
    state_->report.exactness = std::max(state_->report.exactness, shape->exactness);
    strategy_.note(choice, state_->report);
    auto player = std::make_unique<player_type>(*graph_, *store_, state_, shape, std::move(choice),
                                                std::move(inputs), identity);
    noting(*player, [&] { player->play_forward(); });
    last_shape_ = shape;
    micro_batches_.take();
    return pass_type(std::move(player));
  }

  /// Runs its backward, see `Checkpointed::backward`.
  [[nodiscard]] std::vector<tensor_type> backward(pass_type& pass,
                                                  std::span<tensor_type> gradients) {
    const std::unique_ptr<player_type> player = take(pass);
    std::vector<tensor_type> made;
    noting(*player, [&] { made = play_backward_of(*player, gradients); });
    return made;
  }

  /// Forgets the shapes of inputs, see `Checkpointed::forget_shapes`.
  [[nodiscard]] bool forget_shapes(std::span<tensor_type* const> inputs) {
    rules_.check_not_playing("forget_shapes");
    rules_.check_input_count("forget_shapes", inputs.size());
    const std::uint64_t signature = shapes_.signature_of(inputs);
    if (const LoweredShape* const known = shapes_.peek(signature)) strategy_.forget(*known);
    return shapes_.forget(signature);
  }

  /// Compares a pass with one that keeps everything, see `Checkpointed::verify_step`.
  template <class Loss, class Zero>
  [[nodiscard]] StepVerification verify_step(Loss& loss, Zero& zero_gradients,
                                             const pointers& inputs) {
    rules_.check_forward("verify_step", inputs.size());
    const auto playing = rules_.play();
    const PassContext::Identity identity = identity_of(0);
    const auto chosen = choose(inputs, identity);
    const std::shared_ptr<const LoweredShape>& shape = chosen.shape;
    const choice_type& choice = chosen.choice;
    const store_type unlimited = Strategy::without_budget(*store_);
    const std::shared_ptr<const LoweredShape> plain = compared_with(shape);
    const auto player = [&](const store_type& store, const std::shared_ptr<const LoweredShape>& of,
                            const choice_type& which, PassMode mode) {
      return std::make_unique<player_type>(*graph_, store, std::make_shared<RunState>(*state_), of,
                                           which, inputs, identity, mode);
    };
    return growing_on_mismatch(*shape, [&] {
      return PassComparison<G>(*graph_, options().input_gradients)
          .run([&] { return player(*store_, shape, choice, PassMode::training); },
               [&] {
                 return player(unlimited, plain, strategy_.choose_keeping_all(*plain, *store_),
                               PassMode::profiling);
               },
               loss, zero_gradients);
    });
  }

  /// Runs a forward without a backward, see `Checkpointed::infer`.
  [[nodiscard]] std::vector<tensor_type> infer(const pointers& inputs) {
    rules_.check_not_playing("infer");
    rules_.check_graph_is_as_it_was("infer");
    rules_.check_input_count("infer", inputs.size());
    auto made = sweep_forward(*graph_, std::span<tensor_type* const>(inputs),
                              PassContext(identity_of(0), PassMode::inference), true);
    std::vector<tensor_type> outputs;
    for (const Source& output : graph_->outputs()) {
      outputs.push_back(std::move(made[output.node][output.port]));
    }
    return outputs;
  }

  /// Counts since the last `begin_step`, see `Checkpointed::report`.
  [[nodiscard]] RunReport report() const {
    rules_.check_not_moved_from("report");
    RunReport report = state_->report;
    report.peak_bytes = store_->peak_bytes();
    report.peak_host_bytes = store_->host_account()->peak_bytes();
    return report;
  }

  /// Bytes held now by all passes in flight on the store.
  [[nodiscard]] byte_count live_bytes() const noexcept { return store_->live_bytes(); }

  /// Steps ended so far.
  [[nodiscard]] std::uint64_t step() const noexcept { return step_; }

  /// Takes up training at a step, see `Checkpointed::resume_at`.
  void resume_at(std::uint64_t step) {
    rules_.check_not_playing("resume_at");
    if (rules_.is_in_step()) throw InvalidState("resume_at inside a step: end it first");
    step_ = step;
  }

  /// Sets of input shapes that are remembered now.
  [[nodiscard]] std::size_t shape_count() const noexcept { return shapes_.size(); }

  /// Writes the step and the profiles, see `Checkpointed::save`.
  void save(std::ostream& out) const {
    rules_.check_not_moved_from("save");
    rules_.check_graph_is_as_it_was("save");
    StateWriter writer;
    writer.word(graph_fingerprint(*graph_));
    writer.word(step_);
    shapes_.save(writer);
    writer.flag(state_->timer != nullptr);
    if (state_->timer) state_->timer->save(writer);
    writer.write(out, state_format);
  }

  /// Takes them up, see `Checkpointed::load`.
  void load(std::istream& in) {
    rules_.check_not_playing("load");
    rules_.check_graph_is_as_it_was("load");
    rules_.check_none_in_flight("load");
    StateReader reader(in, state_format);
    if (reader.word() != graph_fingerprint(*graph_)) {
      reader.refuse("of another model than this one of " + std::to_string(graph_->size()) +
                    " nodes");
    }
    const std::uint64_t step = reader.word();
    KnownShapes<G> shapes(*graph_, options().max_shapes, options().input_gradients,
                          options().cost_model, form_chooser());
    shapes.load(reader);
    std::shared_ptr<NodeTimer> timer = make_timer();
    if (reader.flag()) (timer ? timer : std::make_shared<NodeTimer>(MeasuredTime{}))->load(reader);
    reader.expect_end();
    state_->timer = std::move(timer);
    shapes_ = std::move(shapes);
    step_ = step;
    last_shape_.reset();
    rules_.end_step();
  }

  /// The program for the shapes of the last forward, see `Checkpointed::program`.
  [[nodiscard]] const Program& program() const {
    if (!last_shape_) throw InvalidState("no forward has shown its shapes yet");
    return last_shape_->lowered.program;
  }

 private:
  using choice_type = typename Strategy::choice_type;

  [[nodiscard]] Tracker& tracker() noexcept { return tracker_; }
  [[nodiscard]] const CheckpointedOptions& options() const noexcept { return state_->options; }

  [[nodiscard]] std::unique_ptr<player_type> take(pass_type& pass) const {
    rules_.check_not_playing("backward");
    rules_.check_graph_is_as_it_was("backward");
    if (!pass) throw InvalidState("backward of a pass that backward has taken");
    if (!pass.player()->is_of(state_)) throw InvalidArgument("backward of another object's pass");
    return pass.release();
  }

  [[nodiscard]] std::vector<tensor_type> play_backward_of(player_type& player,
                                                          std::span<tensor_type> gradients) {
    const auto playing = rules_.play();
    try {
      return player.play_backward(gradients);
    } catch (...) {
      micro_batches_.give_back(player.micro_batch());
      throw;
    }
  }

  [[nodiscard]] PassContext::Identity identity_of(std::uint64_t micro_batch) const {
    return {.seed = options().seed, .step = step_, .micro_batch = micro_batch};
  }

  // Empty where the store keeps values as they are.
  [[nodiscard]] std::function<FormChooser()> form_chooser() const {
    if constexpr (std::same_as<typename store_type::forms_type, NoForms>) return {};
    return [forms = store_->forms()]() -> FormChooser {
      if (!forms.chooses()) return {};
      return [forms](const Program& program) { return forms.choose(program); };
    };
  }

  // Exact forms change no bit, so they are compared with keeping everything as it is; with
  // approximate ones, what recomputation changes is compared, beside the same forms.
  [[nodiscard]] std::shared_ptr<const LoweredShape> compared_with(
      const std::shared_ptr<const LoweredShape>& shape) const {
    const bool is_exact = std::ranges::all_of(
        shape->chosen, [](const ChosenForm& form) { return form.choice.option.is_exact(); });
    if (shape->chosen.empty() || !is_exact) return shape;
    return std::make_shared<const LoweredShape>(lower_shape(
        *graph_, shape->signature, shape->profile, shape->has_input_gradients, shape->cost_model));
  }

  // Null where no time is measured.
  [[nodiscard]] std::shared_ptr<NodeTimer> make_timer() const {
    const auto* const measured = std::get_if<MeasuredTime>(&options().cost_model);
    return measured == nullptr ? nullptr : std::make_shared<NodeTimer>(*measured);
  }

  struct Chosen {
    std::shared_ptr<const LoweredShape> shape;
    choice_type choice;
  };

  // Costs that change in the middle of a training must not end it: where what chooses finds nothing
  // for the new ones, the old ones stay.
  [[nodiscard]] Chosen choose(std::span<tensor_type* const> inputs,
                              PassContext::Identity identity) {
    // Passes in flight share a plan, and those of a step a currency.
    const bool may_change =
        state_->passes_alive == 0 && identity.micro_batch == 0 && !strategy_.holds_plans();
    auto found = shapes_.find_or_make(inputs, identity, state_->timer.get(), may_change);
    RunReport& report = state_->report;
    report.profile_bytes = std::max(report.profile_bytes, found.measured_bytes);
    if (!found.before) return choose_for(found.shape);
    strategy_.outgrow(*found.shape);
    const auto keep_costs = [&] {
      shapes_.keep_costs(*found.before);
      return choose_for(found.before);
    };
    try {
      return choose_for(found.shape);
    } catch (const BudgetInfeasible&) {
      return keep_costs();
    } catch (const BudgetExceeded&) {  // of the host, by forms that were chosen anew
      return keep_costs();
    }
  }

  [[nodiscard]] Chosen choose_for(const std::shared_ptr<const LoweredShape>& shape) {
    return {.shape = shape, .choice = strategy_.choose(*shape, *store_, *state_)};
  }

  // What a pass makes beyond its profile is known to the next forward, also if the pass fails.
  template <class F>
  void noting(const player_type& player, F&& play) {
    try {
      growing_on_mismatch(player.shape(), play);
    } catch (...) {
      note_seen(player);
      throw;
    }
    if (note_seen(player)) strategy_.outgrow(player.shape());
  }

  bool note_seen(const player_type& player) {
    if (!player.seen()) return false;
    shapes_.grow_to(player.shape().signature, *player.seen());
    return true;
  }

  // A profile that was too small for a pass is measured again by the next forward, and grows.
  template <class F>
  auto growing_on_mismatch(const LoweredShape& shape, F&& f) {
    try {
      return f();
    } catch (const ProfileMismatch&) {
      shapes_.refuse(shape.signature);
      strategy_.forget(shape);
      throw;
    }
  }

  static constexpr StateFormat state_format{
      .magic = {'R', 'P', 'R', 'S', 'P', 'R', 'O', 'F'}, .version = 4, .name = "run state"};

  void clear_report() {
    state_->report = RunReport{};
    state_->report.recomputes_per_layer.resize(layers_);
    state_->report.recomputed_cost_per_layer.resize(layers_);
    store_->account()->reset_peak();
    store_->host_account()->reset_peak();
  }

  G* graph_;
  [[no_unique_address]] held_tracker tracker_;
  [[no_unique_address]] Strategy strategy_;
  store_type* store_;
  std::shared_ptr<RunState> state_;
  CallRules<G> rules_;
  std::size_t layers_;  ///< counted once: a step must not walk all nodes for it
  KnownShapes<G> shapes_;
  MicroBatches micro_batches_;
  std::uint64_t step_ = 0;
  std::shared_ptr<const LoweredShape> last_shape_;
};

}  // namespace reprise::inline v0::running
