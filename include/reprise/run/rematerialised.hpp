// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Trains a layer graph within a budget without a plan: an online policy evicts as room is needed.

#include <cstddef>
#include <cstdint>
#include <reprise/core/layer_graph.hpp>
#include <reprise/core/units.hpp>
#include <reprise/eviction/dtr_eq_class.hpp>
#include <reprise/eviction/eviction_policy.hpp>
#include <reprise/run/lowered_shape.hpp>
#include <reprise/run/online_player.hpp>
#include <reprise/run/session.hpp>
#include <reprise/run/shared_state.hpp>
#include <reprise/store/online_event.hpp>
#include <utility>

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
  [[nodiscard]] const P& strategy_for(const LoweredShape&) const noexcept { return policy_; }
  // Nothing is evicted where the budget has no end.
  [[nodiscard]] const P& strategy_keeping_all(const LoweredShape&) const noexcept {
    return policy_;
  }
  void note_strategy(const P&) const noexcept {}
  // A policy is not made for a shape.
  void forget_strategy(std::uint64_t) const noexcept {}
  void outgrow_strategy(std::uint64_t) const noexcept {}

  P policy_;
};

}  // namespace reprise::inline v0
