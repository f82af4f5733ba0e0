// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The shapes that a graph was shown.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <reprise/core/error.hpp>
#include <reprise/core/hash.hpp>
#include <reprise/core/layer_graph.hpp>
#include <reprise/core/pass_context.hpp>
#include <reprise/core/recent_map.hpp>
#include <reprise/core/state_words.hpp>
#include <reprise/core/tensor.hpp>
#include <reprise/core/units.hpp>
#include <reprise/program/cost/any_operation_clock.hpp>
#include <reprise/program/cost/cost_model.hpp>
#include <reprise/program/lowering.hpp>
#include <reprise/program/price_nodes.hpp>
#include <reprise/program/profile.hpp>
#include <reprise/program/profile_state.hpp>
#include <reprise/run/lower_shape.hpp>
#include <reprise/run/lowered_shape.hpp>
#include <reprise/run/node_timer.hpp>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace reprise::inline v0::running {

/// Remembers the sets of input shapes that a graph was shown, each with its profile and its
/// program: at most so many, those used last. Profiles grow with what passes make, and their costs
/// change once, when enough calls were measured.
template <LayerGraph G>
class KnownShapes {
 public:
  using tensor_type = typename G::tensor_type;  ///< what nodes exchange

  /// What a set of inputs is to the graph.
  struct Found {
    std::shared_ptr<const LoweredShape> shape;  ///< with its program
    byte_count measured_bytes = 0;  ///< the most that a measuring forward held; 0 without one
    std::shared_ptr<const LoweredShape> before{};  ///< with its earlier costs, if they change now
  };

  /// Knows none. Borrows the graph.
  /// @param capacity            sets that are remembered at most
  /// @param has_input_gradients whether programs hand out gradients of the graph's inputs
  /// @param costs               what calls are priced by
  /// @param forms               who chooses now which values are kept in other forms; empty, or
  ///   one who is empty, for nobody
  KnownShapes(G& graph, std::size_t capacity, bool has_input_gradients, CostModel costs,
              std::function<FormChooser()> forms)
      : graph_(&graph),
        has_input_gradients_(has_input_gradients),
        costs_(std::move(costs)),
        forms_(std::move(forms)),
        shapes_(capacity) {}

  /// Sets that are remembered now.
  [[nodiscard]] std::size_t size() const noexcept { return shapes_.size(); }

  /// Names the shapes of inputs.
  [[nodiscard]] std::uint64_t signature_of(std::span<tensor_type* const> inputs) const {
    std::uint64_t hash = inputs.size();
    for (const tensor_type* input : inputs) hash = hash_combine(hash, shape_signature(*input));
    if constexpr (requires { graph_->shape_signature(); }) {
      hash = hash_combine(hash, graph_->shape_signature());
    }
    return hash;
  }

  /// The shape of inputs; one that is new, or was refused, is measured unless the graph declares
  /// it. One of which enough calls were measured since is priced anew.
  /// @param identity of the pass that asks: a measuring forward draws its random numbers
  /// @param timer    what was measured; null where no time is
  /// @param may_change whether costs may change now
  /// @throws what the engine throws
  [[nodiscard]] Found find_or_make(std::span<tensor_type* const> inputs,
                                   PassContext::Identity identity, NodeTimer* timer,
                                   bool may_change) {
    const std::uint64_t signature = signature_of(inputs);
    const Known* const known = shapes_.find(signature);
    if (known == nullptr || known->is_refused) {
      return measure(signature, known, inputs, identity, timer);
    }
    if (known->seen) return {.shape = grown(signature, *known)};
    const LoweredShape& shape = *known->shape;
    if (shape.is_settled || !may_change ||
        !timer->is_settled(shape.profile, shape.lowered.program)) {
      return {.shape = known->shape};
    }
    std::shared_ptr<const LoweredShape> before = known->shape;
    return {.shape = remember(signature, before->profile, timer), .before = std::move(before)};
  }

  /// A shape keeps the costs that it had before they changed, from now on.
  void keep_costs(const LoweredShape& before) {
    auto kept = std::make_shared<LoweredShape>(before);
    kept->is_settled = true;
    shapes_.insert(before.signature, {.shape = std::move(kept)});
  }

  /// A shape that is remembered, without a use; null for another.
  [[nodiscard]] const LoweredShape* peek(std::uint64_t signature) const {
    const Known* const known = shapes_.peek(signature);
    return known == nullptr ? nullptr : known->shape.get();
  }

  /// The profile of a shape has at least these bytes and costs from its next pass on.
  void grow_to(std::uint64_t signature, const Profile& seen) {
    Known* const known = shapes_.find(signature);
    if (known == nullptr) return;
    if (!known->seen) known->seen = known->shape->profile;
    grow(*known->seen, seen);
  }

  /// A pass has ended because of what it made: the next one measures the shape again.
  void refuse(std::uint64_t signature) {
    if (Known* const known = shapes_.find(signature)) known->is_refused = true;
  }

  /// Forgets a shape.
  /// @returns whether it was known
  bool forget(std::uint64_t signature) { return shapes_.erase(signature); }

  /// Writes the profiles of all. Linear in the nodes of all shapes.
  void save(StateWriter& writer) const {
    const auto* const roofline = std::get_if<Roofline>(&costs_);
    writer.real(roofline == nullptr ? 0 : roofline->flops_per_second);
    writer.real(roofline == nullptr ? 0 : roofline->bytes_per_second);
    writer.word(shapes_.size());
    for (const std::uint64_t signature : shapes_.numbers()) {
      const Known& known = *shapes_.peek(signature);
      writer.word(signature);
      writer.flag(known.is_refused);
      // Where nothing is measured nothing is left to measure, which says little to who does.
      writer.flag(known.shape->is_settled && std::holds_alternative<MeasuredTime>(costs_));
      write_profile(writer, known.profile());
    }
  }

  /// Takes up what `save` wrote; of more shapes than it remembers those used last.
  /// @throws CorruptState; nothing has changed then
  void load(StateReader& reader) {
    CostModel costs = read_costs(reader);
    RecentMap<Known> shapes(shapes_.capacity());
    for (std::size_t left = reader.count(); left > 0; --left) {
      const std::uint64_t signature = reader.word();
      const bool is_refused = reader.flag();
      const bool is_settled = reader.flag();
      shapes.insert(signature, {.shape = read(reader, signature, is_settled, costs),
                                .is_refused = is_refused});
    }
    costs_ = std::move(costs);
    shapes_ = std::move(shapes);
  }

 private:
  struct Known {
    std::shared_ptr<const LoweredShape> shape;
    std::optional<Profile> seen{};  ///< if passes made more than the shape's own profile says
    bool is_refused = false;        ///< a pass has ended because of what it made

    [[nodiscard]] const Profile& profile() const noexcept { return seen ? *seen : shape->profile; }
  };

  [[nodiscard]] Found measure(std::uint64_t signature, const Known* known,
                              std::span<tensor_type* const> inputs, PassContext::Identity identity,
                              NodeTimer* timer) {
    Profile profile = make_profile(*graph_, inputs, identity,
                                   timer == nullptr ? AnyOperationClock{} : timer->clock());
    const byte_count measured_bytes = profile.held_bytes;
    if (known != nullptr) grow(profile, known->profile());
    check_profile(*graph_, profile);
    calibrate_once(costs_, profile);
    return {.shape = remember(signature, std::move(profile), timer),
            .measured_bytes = measured_bytes};
  }

  // Rates that were given stay.
  void calibrate_once(CostModel& costs, const Profile& profile) const {
    auto* const rates = std::get_if<Roofline>(&costs);
    if (rates == nullptr || rates->is_calibrated()) return;
    const Roofline found = calibrate(*graph_, profile);
    if (!(rates->flops_per_second > 0)) rates->flops_per_second = found.flops_per_second;
    if (!(rates->bytes_per_second > 0)) rates->bytes_per_second = found.bytes_per_second;
  }

  [[nodiscard]] std::shared_ptr<const LoweredShape> remember(std::uint64_t signature,
                                                             Profile profile, NodeTimer* timer) {
    if (timer != nullptr) timer->apply(profile);
    auto made = lower(signature, std::move(profile), costs_);
    made->is_settled = timer == nullptr || timer->is_settled(made->profile, made->lowered.program);
    shapes_.insert(signature, {.shape = made});
    return made;
  }

  // Bytes that were seen change no cost.
  [[nodiscard]] std::shared_ptr<const LoweredShape> grown(std::uint64_t signature,
                                                          const Known& known) {
    auto made = lower(signature, known.profile(), costs_);
    made->is_settled = known.shape->is_settled;
    shapes_.insert(signature, {.shape = made});
    return made;
  }

  [[nodiscard]] std::shared_ptr<LoweredShape> lower(std::uint64_t signature, Profile profile,
                                                    const CostModel& costs) const {
    return std::make_shared<LoweredShape>(lower_shape(*graph_, signature, std::move(profile),
                                                      has_input_gradients_, costs,
                                                      forms_ ? forms_() : FormChooser{}));
  }

  // Rates that were calibrated; those that a user gave stay.
  [[nodiscard]] CostModel read_costs(StateReader& reader) const {
    const Roofline saved{.flops_per_second = reader.real(), .bytes_per_second = reader.real()};
    for (const double rate : {saved.flops_per_second, saved.bytes_per_second}) {
      if (!std::isfinite(rate) || rate < 0) reader.refuse("a rate is " + std::to_string(rate));
    }
    CostModel costs = costs_;
    auto* const rates = std::get_if<Roofline>(&costs);
    if (rates == nullptr || !saved.is_calibrated()) return costs;
    if (!(rates->flops_per_second > 0)) rates->flops_per_second = saved.flops_per_second;
    if (!(rates->bytes_per_second > 0)) rates->bytes_per_second = saved.bytes_per_second;
    return costs;
  }

  [[nodiscard]] std::shared_ptr<const LoweredShape> read(StateReader& reader,
                                                         std::uint64_t signature, bool is_settled,
                                                         CostModel& costs) const {
    Profile profile = read_profile(reader);
    try {
      check_profile(*graph_, profile);
      calibrate_once(costs, profile);
      auto made = lower(signature, std::move(profile), costs);
      made->is_settled = is_settled || !std::holds_alternative<MeasuredTime>(costs);
      return made;
    } catch (const InvalidArgument& unfit) {
      reader.refuse(unfit.what());
    } catch (const InvalidGraph& unfit) {
      reader.refuse(unfit.what());
    }
  }

  G* graph_;
  bool has_input_gradients_;
  CostModel costs_;
  std::function<FormChooser()> forms_;
  RecentMap<Known> shapes_;
};

}  // namespace reprise::inline v0::running
