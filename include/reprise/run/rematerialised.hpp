// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Trains a layer graph within a budget without a plan: an online policy evicts as room is needed.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <reprise/core/error.hpp>
#include <reprise/core/layer_graph.hpp>
#include <reprise/core/pass_context.hpp>
#include <reprise/core/units.hpp>
#include <reprise/eviction/dtr_eq_class.hpp>
#include <reprise/eviction/eviction_policy.hpp>
#include <reprise/run/lowered_shape.hpp>
#include <reprise/run/online_player.hpp>
#include <reprise/run/pass.hpp>
#include <reprise/run/run_report.hpp>
#include <reprise/run/session.hpp>
#include <reprise/run/shared_state.hpp>
#include <reprise/run/step_verification.hpp>
#include <reprise/store/memory_account.hpp>
#include <reprise/store/online_event.hpp>
#include <span>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// How a `Rematerialised` runs.
struct RematerialisedOptions {
  byte_count budget = unlimited_bytes;  ///< for all passes in flight together
  std::uint64_t seed = 0;               ///< of the nodes' random streams
  std::size_t passes_in_flight = 1;     ///< how many passes may be between forward and backward
  bool input_gradients = true;          ///< whether backward hands out the graph inputs' gradients
  std::size_t max_shapes = 64;          ///< sets of input shapes remembered; those used last stay
  bool verify_replay = false;           ///< compare what is recomputed or read with its original
  OnlineObserver observer{};            ///< called with each event; empty for none
  ReservedBytes reserved_bytes{};       ///< asks the engine's allocator; empty for none
};

/// Runs an engine's layer graph operation by operation under an online eviction policy: what needs
/// room evicts other values, what was evicted is remade when it is read, and no gradient changes by
/// a bit.
///
/// Choose it over `Checkpointed` where no plan is wanted: nothing is searched, and no statistics
/// are needed. It does what `run_online` foretells for `program()` and the same policy and budget,
/// event for event; a pass in flight evicts its own values only. Nodes are never told that their
/// saved state will be made again, and never to skip an output, since nobody knows beforehand.
///
/// Profiles, calls and exceptions are those of `Checkpointed`. A budget that turns out too small in
/// the middle of a pass ends the pass, and nothing of it is held.
/// Borrows the graph, which must outlive it and must not move; it moves itself while no node runs,
/// and is not copied.
/// @tparam P chooses what goes
template <LayerGraph G, EvictionPolicy P = DtrEqClass>
class Rematerialised
    : public running::Session<Rematerialised<G, P>, G, running::OnlinePlayer<G, P>> {
  using Player = running::OnlinePlayer<G, P>;
  using Session = running::Session<Rematerialised, G, Player>;
  friend Session;

 public:
  using typename Session::pass_type;
  using typename Session::tensor_type;

  /// @throws InvalidGraph if the graph breaks a rule (see `check_graph`); InvalidArgument if
  ///   several passes are to be in flight over nodes that keep state in themselves, or if none may
  ///   be in flight or no shape be remembered, or if replay is to be verified of tensors without a
  ///   checksum.
  explicit Rematerialised(G& graph, P policy = {}, RematerialisedOptions options = {})
      : Session(graph,
                {.budget = options.budget,
                 .seed = options.seed,
                 .passes_in_flight = options.passes_in_flight,
                 .input_gradients = options.input_gradients,
                 .max_shapes = options.max_shapes},
                {.online_observer = std::move(options.observer),
                 .reserved_bytes = std::move(options.reserved_bytes),
                 .verify_replay = options.verify_replay}),
        policy_(std::move(policy)) {}

  /// Begins an optimiser step. A step that was begun and not ended is forgotten, with its number
  /// given to this one.
  /// @throws InvalidState if a pass is still in flight, or called by a node that runs.
  void begin_step() {
    this->check_begin();
    this->begin();
  }

  /// Ends the step: parameter gradients are final.
  /// @throws InvalidState if no step was begun, a pass is in flight, or called by a node that runs.
  void end_step() {
    this->check_end();
    this->end();
  }

 private:
  [[nodiscard]] pass_type run_forward(std::vector<tensor_type*> inputs) {
    this->check_forward("forward", inputs.size());
    const auto playing = this->playing();
    const PassContext::Identity identity = this->next_identity();
    const std::shared_ptr<const LoweredShape> shape = this->shape_for(inputs, identity);
    note_pass(*shape);
    auto player = std::make_unique<Player>(this->graph(), this->shared(), shape, policy_,
                                           std::move(inputs), identity);
    noting(*player, [&] { player->play_forward(); });
    this->note_shape(shape);
    this->take_number();
    return pass_type(std::move(player));
  }

  [[nodiscard]] std::vector<tensor_type> run_backward(pass_type& pass,
                                                      std::span<tensor_type> gradients) {
    const std::unique_ptr<Player> player = this->take(pass);
    std::vector<tensor_type> made;
    noting(*player, [&] { made = this->play_backward_of(*player, gradients); });
    return made;
  }

  [[nodiscard]] bool run_forget(std::span<tensor_type* const> inputs) {
    return this->forget(this->signature_to_forget(inputs));
  }

  template <class Turn, class Zero>
  [[nodiscard]] StepVerification run_verified(Turn& turn, Zero& zero_gradients,
                                              const std::vector<tensor_type*>& inputs) {
    this->check_forward("verify_step", inputs.size());
    const auto playing = this->playing();
    const PassContext::Identity identity = this->first_identity();
    const std::shared_ptr<const LoweredShape> shape = this->shape_for(inputs, identity);
    const auto within = std::make_shared<running::Shared>(*this->shared());
    const auto apart = std::make_shared<running::Shared>(*this->shared());
    apart->account = std::make_shared<MemoryAccount>();
    apart->online_observer = nullptr;
    const auto player = [&](const auto& shared, PassMode mode) {
      return std::make_unique<Player>(this->graph(), shared, shape, policy_, inputs, identity,
                                      mode);
    };
    return growing_on_mismatch(shape->signature, [&] {
      return this->compare_passes([&] { return player(within, PassMode::training); },
                                  [&] { return player(apart, PassMode::profiling); }, turn,
                                  zero_gradients);
    });
  }

  // What a pass makes beyond its profile is known to the next forward, also if the pass fails.
  template <class F>
  void noting(const Player& player, F&& play) {
    try {
      growing_on_mismatch(player.signature(), play);
    } catch (...) {
      this->note_seen(player);
      throw;
    }
    this->note_seen(player);
  }

  // A profile that was too small grows in the next forward.
  template <class F>
  auto growing_on_mismatch(std::uint64_t signature, F&& f) {
    try {
      return f();
    } catch (const ProfileMismatch&) {
      this->note_refused(signature);
      throw;
    }
  }

  void note_pass(const LoweredShape& shape) {
    RunReport& report = this->shared()->report;
    ++report.passes;
    report.cost_is_flops = shape.lowered.program.cost_is_flops();
  }

  P policy_;
};

}  // namespace reprise::inline v0
