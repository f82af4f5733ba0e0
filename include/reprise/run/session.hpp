// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What all ways to train a layer graph have in common.

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <istream>
#include <memory>
#include <optional>
#include <ostream>
#include <ranges>
#include <reprise/core/any_gradient.hpp>
#include <reprise/core/error.hpp>
#include <reprise/core/hash.hpp>
#include <reprise/core/layer_graph.hpp>
#include <reprise/core/pass_context.hpp>
#include <reprise/core/recent_map.hpp>
#include <reprise/core/state_words.hpp>
#include <reprise/core/tensor.hpp>
#include <reprise/core/units.hpp>
#include <reprise/program/engine_state.hpp>
#include <reprise/program/engine_state_guard.hpp>
#include <reprise/program/lowering.hpp>
#include <reprise/program/profile.hpp>
#include <reprise/program/profile_state.hpp>
#include <reprise/program/sweep_forward.hpp>
#include <reprise/run/lower_shape.hpp>
#include <reprise/run/lowered_shape.hpp>
#include <reprise/run/pass.hpp>
#include <reprise/run/run_report.hpp>
#include <reprise/run/shared_state.hpp>
#include <reprise/run/step_notes.hpp>
#include <reprise/run/step_verification.hpp>
#include <reprise/run/tensor_range.hpp>
#include <reprise/store/memory_account.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace reprise::inline v0::running {

/// What a session needs to know of its object's options.
struct SessionOptions {
  byte_count budget = unlimited_bytes;  ///< of all that is live at once, in bytes
  std::uint64_t seed = 0;               ///< of all random streams
  std::size_t passes_in_flight = 1;     ///< between their forward and their backward
  bool input_gradients = true;          ///< whether graph inputs get gradients
  std::size_t max_shapes = 64;          ///< sets of input shapes that are remembered
};

/// The steps and passes of an object that trains a layer graph, whoever decides what is kept: the
/// order of calls, the shapes seen with their profiles and programs, counts, inference and state.
/// @tparam Derived the object itself. Its `strategy_for(shape)` says what a pass keeps, a plan or a
///   policy, and `strategy_keeping_all(shape)` how everything is kept; `note_strategy(strategy)` is
///   called for each pass, `forget_strategy(signature)` when what it was made for is no longer
///   true, and `outgrow_strategy(signature)` when a pass made more than that and went on
/// @tparam Player  plays a pass under a strategy
template <class Derived, LayerGraph G, class Player>
class Session {
 public:
  using tensor_type = typename G::tensor_type;  ///< what nodes exchange
  using pass_type = Pass<G, Player>;            ///< between its forward and its backward

  /// Runs a forward pass. The inputs are borrowed: they must live, unchanged, until the pass's
  /// backward has run or the pass is dropped.
  ///
  /// A forward that throws has not been: called again in the step, it draws the same random
  /// numbers. So it is after a backward that throws; what that has added to parameter gradients is
  /// the engine's to set to zero. A pass that is destroyed without a backward keeps its number.
  /// @throws InvalidState outside a step, with too many passes in flight, or called by a node that
  ///   runs; InvalidArgument for a wrong number of inputs; BudgetInfeasible if no plan fits, or
  ///   BudgetExceeded, without plans, if it does not fit although nothing is left to evict;
  ///   ProfileMismatch if a tensor is larger than its profile and there is no room for it;
  ///   SharedStorage; ReplayMismatch; and
  ///   what the engine throws.
  template <std::same_as<tensor_type>... Inputs>
  [[nodiscard]] pass_type forward(const Inputs&... inputs) {
    return run_forward(pointers_to(inputs...));
  }
  /// The same for a list of inputs, or of pointers to them, in the order of the graph's. The
  /// tensors are borrowed, the list is not. Linear in them.
  template <BorrowedTensorRange<tensor_type> R>
  [[nodiscard]] pass_type forward(R&& inputs) {
    return run_forward(pointers_to_all("forward", inputs));
  }
  /// Refused: an input without a name is gone when backward needs it.
  template <class... Inputs>
  requires(TemporaryTensors<Inputs, tensor_type> ||
           ...) InputsAreBorrowedUntilBackwardAndNeedANameOfTheirOwn forward(Inputs&&...)
  = delete;

  /// Refused: what is neither a tensor of the graph's type nor a list of them.
  template <class... Inputs>
  requires(!(std::same_as<std::remove_cvref_t<Inputs>, tensor_type> && ...) &&
           !(TemporaryTensors<Inputs, tensor_type> || ...) &&
           !(sizeof...(Inputs) == 1 && (BorrowedTensorRange<Inputs, tensor_type> && ...)))
      ForwardTakesTensorsOfTheGraphsOwnTypeOrOneListOfThem forward(Inputs&&...)
  = delete;

  /// Runs the backward of a pass and returns the gradients of the graph's inputs, empty where they
  /// are not wanted.
  /// @param gradients of the graph's outputs, in their order; they are taken over
  /// @throws InvalidState if the pass was taken before (a second backward needs a second forward),
  ///   or called by a node that runs; InvalidArgument if another object made the pass, or for a
  ///   wrong number of gradients; and as `forward`.
  template <std::same_as<tensor_type>... Gradients>
  std::vector<tensor_type> backward(pass_type&& pass, Gradients... gradients) {
    std::vector<tensor_type> list;
    list.reserve(sizeof...(Gradients));
    (list.push_back(std::move(gradients)), ...);
    return run_backward(pass, list);
  }
  /// The same for a list of gradients.
  std::vector<tensor_type> backward(pass_type&& pass, std::vector<tensor_type> gradients) {
    return run_backward(pass, gradients);
  }
  /// The same for gradients that lie in a row, which are moved from.
  template <std::size_t extent>
  std::vector<tensor_type> backward(pass_type&& pass, std::span<tensor_type, extent> gradients) {
    return run_backward(pass, gradients);
  }

  /// Refused: backward takes the pass over.
  template <class P, class Why = BackwardTakesThePassOverSoMoveIt, class... Gradients>
  requires std::same_as<std::remove_const_t<P>, pass_type> BackwardTakesThePassOverSoMoveIt
  backward(P& pass, Gradients&&...)
  = delete;

  /// Forgets what is remembered of the shapes of these inputs: the next forward that shows them
  /// starts anew. Passes in flight are not affected.
  /// @returns whether they were known
  /// @throws InvalidState if called by a node that runs; InvalidArgument for a wrong number of
  ///   inputs.
  template <std::same_as<tensor_type>... Inputs>
  bool forget_shapes(const Inputs&... inputs) {
    return run_forget(pointers_to(inputs...));
  }
  /// The same for a list of inputs, or of pointers to them, in the order of the graph's.
  template <TensorRange<tensor_type> R>
  bool forget_shapes(R&& inputs) {
    return run_forget(pointers_to_all("forget_shapes", inputs));
  }

  /// Runs one whole pass as `forward` and `backward` do, and once more with everything kept,
  /// outside the budget, and compares the gradients of all parameters and graph inputs to the bit.
  ///
  /// Call it inside a step, before its first forward. Both passes start from the same engine's own
  /// state (`capture_state`), and it is that of one pass afterwards; running statistics move in the
  /// pass within the budget only. Afterwards the parameter gradients are those of one pass. What it
  /// recomputes is no part of the report. Of a node that may have parameters and has no
  /// `for_each_gradient`, what its backward reads is compared instead.
  /// @param loss makes the gradients of the graph's outputs: called with a span of pointers to
  ///   them, returns a `std::vector<tensor_type>`
  /// @param zero_gradients sets all parameter gradients to zero
  /// @returns what was compared, and the nodes of which no gradient could be
  /// @throws ReplayMismatch naming the layer and the first gradient that differs; InvalidGraph,
  ///   which says what is missing, if no parameter gradient can be compared and a node may have
  ///   one, or if nothing at all can be; and as `forward`.
  template <class Loss, std::invocable Zero, std::same_as<tensor_type>... Inputs>
  StepVerification verify_step(Loss&& loss, Zero&& zero_gradients, const Inputs&... inputs) {
    return run_verified(loss, zero_gradients, pointers_to(inputs...));
  }
  /// The same for a list of inputs, or of pointers to them, in the order of the graph's.
  template <class Loss, std::invocable Zero, TensorRange<tensor_type> R>
  StepVerification verify_step(Loss&& loss, Zero&& zero_gradients, R&& inputs) {
    return run_verified(loss, zero_gradients, pointers_to_all("verify_step", inputs));
  }

  /// A forward that keeps nothing for a backward: dropout and its like are off.
  /// @returns the graph's outputs
  /// @throws InvalidArgument for a wrong number of inputs; and what the engine throws.
  template <std::same_as<tensor_type>... Inputs>
  [[nodiscard]] std::vector<tensor_type> infer(const Inputs&... inputs) {
    return infer_from(pointers_to(inputs...));
  }
  /// The same for a list of inputs, or of pointers to them, in the order of the graph's.
  template <TensorRange<tensor_type> R>
  [[nodiscard]] std::vector<tensor_type> infer(R&& inputs) {
    return infer_from(pointers_to_all("infer", inputs));
  }

  /// Counts since the last `begin_step`.
  [[nodiscard]] RunReport report() const {
    RunReport report = shared_->report;
    report.peak_bytes = shared_->account->peak_bytes();
    return report;
  }

  /// Bytes held now by all passes in flight.
  [[nodiscard]] byte_count live_bytes() const noexcept { return shared_->account->live_bytes(); }

  /// Steps ended so far: the number of the step that runs or comes next.
  [[nodiscard]] std::uint64_t step() const noexcept { return step_; }
  /// Takes up training at a step: its number names the random streams.
  void resume_at(std::uint64_t step) noexcept { step_ = step; }

  /// Sets of input shapes that are remembered now, each with its profile and its program: at most
  /// as many as the options say, those used last.
  [[nodiscard]] std::size_t shape_count() const noexcept { return shapes_.size(); }

  /// Writes what the next steps depend on beside the tracker's and the scheduler's own state: the
  /// step, and the profiles of the shapes that are remembered, so that costs measured in seconds
  /// decide the same again. Binary, the same on every machine, with a checksum. A step that has not
  /// ended is no part of it. Linear in the nodes of all shapes.
  /// @throws Error if the stream refuses the bytes.
  void save(std::ostream& out) const {
    StateWriter writer;
    writer.word(model_fingerprint());
    writer.word(step_);
    writer.word(shapes_.size());
    for (const std::uint64_t signature : shapes_.numbers()) {
      const KnownShape& known = *shapes_.peek(signature);
      writer.word(signature);
      writer.flag(known.is_refused);
      write_profile(writer, known.profile());
    }
    writer.write(out, state_format);
  }

  /// Takes up the state that `save` wrote, over the same graph; with the tracker's and the
  /// scheduler's state loaded as well, the same steps make the same decisions. Of more shapes than
  /// this object remembers it takes those used last. Reads no byte beyond it.
  /// @throws InvalidState if a pass is in flight; CorruptState if it is truncated, damaged, of
  ///   another version or of another model. Nothing has changed then.
  void load(std::istream& in) {
    check_none_in_flight("load");
    StateReader reader(in, state_format);
    if (reader.word() != model_fingerprint()) {
      reader.refuse("of another model than this one of " + std::to_string(graph_->size()) +
                    " nodes");
    }
    const std::uint64_t step = reader.word();
    Shapes shapes(session_.max_shapes);
    for (std::size_t left = reader.count(); left > 0; --left) {
      const std::uint64_t signature = reader.word();
      const bool is_refused = reader.flag();
      shapes.insert(signature, {.shape = read_shape(reader, signature), .is_refused = is_refused});
    }
    reader.expect_end();
    shapes_ = std::move(shapes);
    step_ = step;
    last_shape_.reset();
    is_in_step_ = false;
  }

  /// The program for the shapes of the last forward; valid until the next one.
  /// @throws InvalidState before the first.
  [[nodiscard]] const Program& program() const {
    if (!last_shape_) throw InvalidState("no forward has shown its shapes yet");
    return last_shape_->lowered.program;
  }

  /// Not copied: a copy would count in the same account and report.
  Session(const Session&) = delete;
  /// Not copied, either.
  Session& operator=(const Session&) = delete;

 protected:
  Session(G& graph, SessionOptions options, Shared shared)
      : graph_(&graph),
        session_(options),
        layers_(layer_count(graph)),
        shared_(std::make_shared<Shared>(std::move(shared))),
        shapes_(session_.max_shapes) {
    check_graph(graph);
    check_options();
    shared_->passes_in_flight = session_.passes_in_flight;
    shared_->account = std::make_shared<MemoryAccount>(session_.budget);
    clear_report();
  }
  Session(Session&&) noexcept = default;
  Session& operator=(Session&&) noexcept = default;
  ~Session() = default;

  [[nodiscard]] RunReport& counts() noexcept { return shared_->report; }
  [[nodiscard]] const SessionOptions& session_options() const noexcept { return session_; }

  // ---- the order of calls ---------------------------------------------------------------------

  void check_begin() const {
    check_not_playing("begin_step");
    check_none_in_flight("begin_step");
  }
  void begin() {
    micro_batch_ = 0;
    given_back_.clear();
    is_in_step_ = true;
    clear_report();
  }
  void check_end() const {
    check_not_playing("end_step");
    if (!is_in_step_) throw InvalidState("end_step without begin_step");
    check_none_in_flight("end_step");
  }
  void end() noexcept {
    ++step_;
    is_in_step_ = false;
  }

 private:
  // Says that nodes run, so that none of them comes back here.
  class PlayingGuard {
   public:
    explicit PlayingGuard(bool& is_playing) : is_playing_(is_playing) { is_playing_ = true; }
    PlayingGuard(const PlayingGuard&) = delete;
    PlayingGuard& operator=(const PlayingGuard&) = delete;
    ~PlayingGuard() { is_playing_ = false; }

   private:
    bool& is_playing_;
  };

  [[nodiscard]] PlayingGuard playing() { return PlayingGuard(is_playing_); }

  // ---- what a call is given -------------------------------------------------------------------

  using Pointers = std::vector<tensor_type*>;

  template <class... Inputs>
  [[nodiscard]] static Pointers pointers_to(const Inputs&... inputs) {
    return {const_cast<tensor_type*>(&inputs)...};
  }

  template <class R>
  [[nodiscard]] static Pointers pointers_to_all(const char* call, R& inputs) {
    Pointers pointers;
    pointers.reserve(std::ranges::size(inputs));
    for (const auto& input : inputs) {
      if constexpr (std::same_as<std::ranges::range_value_t<R>, tensor_type>) {
        pointers.push_back(const_cast<tensor_type*>(&input));
      } else {
        const tensor_type* const pointer = input;
        if (pointer == nullptr) {
          throw InvalidArgument(std::string(call) + " was given a null pointer for input " +
                                std::to_string(pointers.size()));
        }
        pointers.push_back(const_cast<tensor_type*>(pointer));
      }
    }
    return pointers;
  }

  // ---- passes ---------------------------------------------------------------------------------

  [[nodiscard]] pass_type run_forward(Pointers inputs) {
    check_forward("forward", inputs.size());
    const auto playing = this->playing();
    const PassContext::Identity identity = next_identity();
    const std::shared_ptr<const LoweredShape> shape = shape_for(inputs, identity);
    auto strategy = self().strategy_for(*shape);
    ++shared_->report.passes;
    shared_->report.cost_is_flops = shape->lowered.program.cost_is_flops();
    self().note_strategy(strategy);
    auto player = std::make_unique<Player>(*graph_, shared_, shape, std::move(strategy),
                                           std::move(inputs), identity);
    noting(*player, [&] { player->play_forward(); });
    last_shape_ = shape;
    take_number();
    return pass_type(std::move(player));
  }

  [[nodiscard]] std::vector<tensor_type> run_backward(pass_type& pass,
                                                      std::span<tensor_type> gradients) {
    const std::unique_ptr<Player> player = take(pass);
    std::vector<tensor_type> made;
    noting(*player, [&] { made = play_backward_of(*player, gradients); });
    return made;
  }

  [[nodiscard]] bool run_forget(std::span<tensor_type* const> inputs) {
    check_not_playing("forget_shapes");
    check_input_count("forget_shapes", inputs.size());
    const std::uint64_t signature = signature_of(inputs);
    self().forget_strategy(signature);
    return shapes_.erase(signature);
  }

  template <class Loss, class Zero>
  [[nodiscard]] StepVerification run_verified(Loss& loss, Zero& zero_gradients,
                                              const Pointers& inputs) {
    check_forward("verify_step", inputs.size());
    const auto playing = this->playing();
    const PassContext::Identity identity{.seed = session_.seed, .step = step_};
    const std::shared_ptr<const LoweredShape> shape = shape_for(inputs, identity);
    const auto strategy = self().strategy_for(*shape);
    const auto within = std::make_shared<Shared>(*shared_);
    const auto apart = std::make_shared<Shared>(*shared_);
    apart->account = std::make_shared<MemoryAccount>();
    apart->observer = nullptr;
    apart->online_observer = nullptr;
    const auto player = [&](const auto& shared, auto chosen, PassMode mode) {
      return std::make_unique<Player>(*graph_, shared, shape, std::move(chosen), inputs, identity,
                                      mode);
    };
    return growing_on_mismatch(shape->signature, [&] {
      return compare_passes(
          [&] { return player(within, strategy, PassMode::training); },
          [&] { return player(apart, self().strategy_keeping_all(*shape), PassMode::profiling); },
          loss, zero_gradients);
    });
  }

  // What a pass makes beyond its profile is known to the next forward, also if the pass fails.
  template <class F>
  void noting(const Player& player, F&& play) {
    try {
      growing_on_mismatch(player.signature(), play);
    } catch (...) {
      note_seen(player);
      throw;
    }
    if (note_seen(player)) self().outgrow_strategy(player.signature());
  }

  // A profile that was too small for a pass is measured again by the next forward, and grows.
  template <class F>
  auto growing_on_mismatch(std::uint64_t signature, F&& f) {
    try {
      return f();
    } catch (const ProfileMismatch&) {
      if (KnownShape* const known = shapes_.find(signature)) known->is_refused = true;
      self().forget_strategy(signature);
      throw;
    }
  }

  void check_forward(const char* call, std::size_t inputs) const {
    check_not_playing(call);
    if (!is_in_step_) throw InvalidState(std::string(call) + " without begin_step");
    check_input_count(call, inputs);
    if (shared_->passes_alive >= session_.passes_in_flight) {
      throw InvalidState(std::to_string(shared_->passes_alive) + " of " +
                         std::to_string(session_.passes_in_flight) +
                         " passes are in flight already");
    }
  }

  /// The identity of the pass that is tried next; its number is taken once its forward has run.
  [[nodiscard]] PassContext::Identity next_identity() const {
    return {.seed = session_.seed,
            .step = step_,
            .micro_batch = given_back_.empty() ? micro_batch_ : given_back_.front()};
  }
  /// Takes the number of `next_identity`: the forward has run.
  void take_number() {
    if (!given_back_.empty()) {
      given_back_.erase(given_back_.begin());
      return;
    }
    given_back_.reserve(micro_batch_ + 1);
    ++micro_batch_;
  }

  /// Takes what plays a pass out of it.
  [[nodiscard]] std::unique_ptr<Player> take(pass_type& pass) const {
    check_not_playing("backward");
    if (!pass) throw InvalidState("backward of a pass that backward has taken");
    if (!pass.player()->is_of(shared_)) throw InvalidArgument("backward of another object's pass");
    return pass.release();
  }

  /// Plays the backward of a pass. One that fails has not been: its number is that of the next
  /// forward, which draws the same random numbers then.
  [[nodiscard]] std::vector<tensor_type> play_backward_of(Player& player,
                                                          std::span<tensor_type> gradients) {
    const auto playing = this->playing();
    try {
      return player.play_backward(gradients);
    } catch (...) {
      give_back(player.micro_batch());
      throw;
    }
  }

  // ---- shapes ---------------------------------------------------------------------------------

  [[nodiscard]] std::uint64_t signature_of(std::span<tensor_type* const> inputs) const {
    std::uint64_t hash = inputs.size();
    for (const tensor_type* input : inputs) hash = hash_combine(hash, shape_signature(*input));
    if constexpr (requires { graph_->shape_signature(); }) {
      hash = hash_combine(hash, graph_->shape_signature());
    }
    return hash;
  }

  [[nodiscard]] std::shared_ptr<const LoweredShape> shape_for(std::span<tensor_type* const> inputs,
                                                              PassContext::Identity identity) {
    const std::uint64_t signature = signature_of(inputs);
    const KnownShape* const known = shapes_.find(signature);
    if (known != nullptr && !known->seen && !known->is_refused) return known->shape;
    Profile profile;
    if (known == nullptr || known->is_refused) {
      profile = make_profile(*graph_, inputs, identity);
      shared_->report.profile_bytes = std::max(shared_->report.profile_bytes, profile.held_bytes);
      if (known != nullptr) grow(profile, known->profile());
    } else {
      profile = known->profile();
    }
    const auto made = lower(signature, std::move(profile));
    shapes_.insert(signature, {.shape = made});
    return made;
  }

  /// The profile of the next forward has at least what a pass has made.
  /// @returns whether that is more than its profile says
  bool note_seen(const Player& player) {
    if (!player.seen()) return false;
    KnownShape* const known = shapes_.find(player.signature());
    if (known == nullptr) return true;
    if (!known->seen) known->seen = known->shape->profile;
    grow(*known->seen, *player.seen());
    return true;
  }

  // ---- whole passes, compared -----------------------------------------------------------------

  /// Plays one whole pass under the session's plan and another one with everything kept, and
  /// compares them.
  ///
  /// Both passes start each call with the engine's own state as the first one found it, and what
  /// the first one has made of it stays.
  /// @param within makes the player of the pass under the plan
  /// @param keeping_all makes that of the pass which keeps everything
  template <class Within, class KeepingAll, class Loss, class Zero>
  StepVerification compare_passes(Within&& within, KeepingAll&& keeping_all, Loss& loss,
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

  struct GradientChecksum {
    std::size_t node;  ///< the graph's size for a gradient of a graph input
    std::size_t index;
    std::uint64_t checksum;
  };
  struct WholePass {
    StepNotes notes;
    std::optional<EngineState<G>> at_turn{};
    std::vector<GradientChecksum> gradients{};
  };

  template <class Loss>
  [[nodiscard]] WholePass play_whole(std::unique_ptr<Player> player, const WholePass* followed,
                                     Loss& loss) {
    WholePass pass{.notes = StepNotes(graph_->size())};
    player->note(pass.notes, followed == nullptr ? nullptr : &followed->notes);
    player->play_forward();
    std::vector<const tensor_type*> outputs;
    for (std::size_t i = 0; i < player->output_count(); ++i) outputs.push_back(&player->output(i));
    if (followed != nullptr) followed->at_turn->restore(*graph_);
    pass.at_turn.emplace(*graph_);
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
    if (!session_.input_gradients) return "input_gradients is false";
    if constexpr (!ChecksummableTensor<tensor_type>) {
      return "tensor_traits has no checksum for those of the graph's inputs";
    }
    return "no gradient reaches an input of the graph";
  }

  struct KnownShape {
    std::shared_ptr<const LoweredShape> shape;
    std::optional<Profile> seen{};  ///< if passes made more than the shape's own profile says
    bool is_refused = false;        ///< a pass has ended because of what it made

    [[nodiscard]] const Profile& profile() const noexcept { return seen ? *seen : shape->profile; }
  };
  using Shapes = RecentMap<KnownShape>;

  static constexpr StateFormat state_format{
      .magic = {'R', 'P', 'R', 'S', 'P', 'R', 'O', 'F'}, .version = 2, .name = "run state"};

  void check_options() const {
    if (shared_->verify_replay && !ChecksummableTensor<tensor_type>) {
      throw InvalidArgument(
          "verify_replay has nothing to compare: tensor_traits of the graph's tensor has no "
          "checksum");
    }
    if (session_.passes_in_flight == 0) {
      throw InvalidArgument("0 passes in flight leave nothing to run");
    }
    if (session_.max_shapes == 0) {
      throw InvalidArgument("0 remembered shapes leave none for the pass that runs");
    }
    if (session_.passes_in_flight == 1) return;
    for (std::size_t node = 0; node < graph_->size(); ++node) {
      if constexpr (requires { graph_->release_resident(node); }) {
        if (static_cast<NodeTraits>(graph_->traits(node)).has_resident_state) {
          throw InvalidArgument("node " + std::to_string(node) +
                                " keeps state in itself: only 1 pass can be in flight, not " +
                                std::to_string(session_.passes_in_flight));
        }
      }
    }
  }

  // `take_number` has reserved the room.
  void give_back(std::uint64_t micro_batch) noexcept {
    given_back_.insert(std::ranges::lower_bound(given_back_, micro_batch), micro_batch);
  }

  [[nodiscard]] std::vector<tensor_type> infer_from(const Pointers& inputs) {
    check_not_playing("infer");
    check_input_count("infer", inputs.size());
    auto made = sweep_forward(
        *graph_, std::span<tensor_type* const>(inputs),
        PassContext({.seed = session_.seed, .step = step_}, PassMode::inference), true);
    std::vector<tensor_type> outputs;
    for (const Source& output : graph_->outputs()) {
      outputs.push_back(std::move(made[output.node][output.port]));
    }
    return outputs;
  }

  void check_input_count(const char* call, std::size_t given) const {
    if (given != graph_->input_count()) {
      throw InvalidArgument(std::string(call) + " was given " + std::to_string(given) +
                            " inputs, the graph has " + std::to_string(graph_->input_count()));
    }
  }

  void check_not_playing(const char* call) const {
    if (!shared_) throw InvalidState(std::string(call) + " of an object that was moved from");
    if (!is_playing_) return;
    throw InvalidState(std::string(call) +
                       " called by a node that it runs: gradients of gradients are not supported");
  }

  void check_none_in_flight(const char* call) const {
    if (shared_->passes_alive == 0) return;
    throw InvalidState(std::string(call) + " with " + std::to_string(shared_->passes_alive) +
                       " passes in flight");
  }

  [[nodiscard]] std::shared_ptr<const LoweredShape> lower(std::uint64_t signature,
                                                          Profile profile) const {
    return std::make_shared<const LoweredShape>(
        lower_shape(*graph_, signature, std::move(profile), session_.input_gradients));
  }

  [[nodiscard]] std::shared_ptr<const LoweredShape> read_shape(StateReader& reader,
                                                               std::uint64_t signature) const {
    Profile profile = read_profile(reader);
    try {
      check_profile(*graph_, profile);
    } catch (const InvalidArgument& unfit) {
      reader.refuse(unfit.what());
    }
    return lower(signature, std::move(profile));
  }

  [[nodiscard]] std::uint64_t model_fingerprint() const {
    std::uint64_t hash = hash_combine(graph_->size(), graph_->input_count());
    const auto add_sources = [&hash](std::span<const Source> sources) {
      hash = hash_combine(hash, sources.size());
      for (const Source& source : sources) {
        hash = hash_combine(hash_combine(hash, source.node), source.port);
      }
    };
    for (std::size_t node = 0; node < graph_->size(); ++node) {
      add_sources(graph_->inputs(node));
      hash = hash_combine(hash, fingerprint(static_cast<NodeTraits>(graph_->traits(node))));
    }
    add_sources(graph_->outputs());
    return hash;
  }

  void clear_report() {
    shared_->report = RunReport{};
    shared_->report.recomputes_per_layer.resize(layers_);
    shared_->report.recomputed_cost_per_layer.resize(layers_);
    shared_->account->reset_peak();
  }

  [[nodiscard]] Derived& self() noexcept { return static_cast<Derived&>(*this); }

  G* graph_;
  SessionOptions session_;
  std::size_t layers_;  ///< counted once: a step must not walk all nodes for it
  std::shared_ptr<Shared> shared_;
  Shapes shapes_;
  std::uint64_t step_ = 0;
  std::uint64_t micro_batch_ = 0;          ///< numbers taken in this step
  std::vector<std::uint64_t> given_back_;  ///< of those, by passes that failed; ascending
  std::shared_ptr<const LoweredShape> last_shape_;
  bool is_in_step_ = false;
  bool is_playing_ = false;
};

}  // namespace reprise::inline v0::running
