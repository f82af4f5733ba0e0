// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The shapes that a graph was shown.

#include <cstddef>
#include <cstdint>
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
#include <reprise/program/lowering.hpp>
#include <reprise/program/profile.hpp>
#include <reprise/program/profile_state.hpp>
#include <reprise/run/lower_shape.hpp>
#include <reprise/run/lowered_shape.hpp>
#include <span>
#include <utility>
#include <vector>

namespace reprise::inline v0::running {

/// Remembers the sets of input shapes that a graph was shown, each with its profile and its
/// program: at most so many, those used last. Profiles grow with what passes make.
template <LayerGraph G>
class KnownShapes {
 public:
  using tensor_type = typename G::tensor_type;  ///< what nodes exchange

  /// What a set of inputs is to the graph.
  struct Found {
    std::shared_ptr<const LoweredShape> shape;  ///< with its program
    byte_count measured_bytes = 0;  ///< the most that a measuring forward held; 0 without one
  };

  /// Knows none. Borrows the graph.
  /// @param capacity            sets that are remembered at most
  /// @param has_input_gradients whether programs hand out gradients of the graph's inputs
  KnownShapes(G& graph, std::size_t capacity, bool has_input_gradients)
      : graph_(&graph), has_input_gradients_(has_input_gradients), shapes_(capacity) {}

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
  /// it.
  /// @param identity of the pass that asks: a measuring forward draws its random numbers
  /// @throws what the engine throws
  [[nodiscard]] Found find_or_make(std::span<tensor_type* const> inputs,
                                   PassContext::Identity identity) {
    const std::uint64_t signature = signature_of(inputs);
    const Known* const known = shapes_.find(signature);
    if (known != nullptr && !known->seen && !known->is_refused) return {.shape = known->shape};
    byte_count measured_bytes = 0;
    Profile profile;
    if (known == nullptr || known->is_refused) {
      profile = make_profile(*graph_, inputs, identity);
      measured_bytes = profile.held_bytes;
      if (known != nullptr) grow(profile, known->profile());
    } else {
      profile = known->profile();
    }
    auto made = lower(signature, std::move(profile));
    shapes_.insert(signature, {.shape = made});
    return {.shape = std::move(made), .measured_bytes = measured_bytes};
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
    writer.word(shapes_.size());
    for (const std::uint64_t signature : shapes_.numbers()) {
      const Known& known = *shapes_.peek(signature);
      writer.word(signature);
      writer.flag(known.is_refused);
      write_profile(writer, known.profile());
    }
  }

  /// Takes up what `save` wrote; of more shapes than it remembers those used last.
  /// @throws CorruptState; nothing has changed then
  void load(StateReader& reader) {
    RecentMap<Known> shapes(shapes_.capacity());
    for (std::size_t left = reader.count(); left > 0; --left) {
      const std::uint64_t signature = reader.word();
      const bool is_refused = reader.flag();
      shapes.insert(signature, {.shape = read(reader, signature), .is_refused = is_refused});
    }
    shapes_ = std::move(shapes);
  }

 private:
  struct Known {
    std::shared_ptr<const LoweredShape> shape;
    std::optional<Profile> seen{};  ///< if passes made more than the shape's own profile says
    bool is_refused = false;        ///< a pass has ended because of what it made

    [[nodiscard]] const Profile& profile() const noexcept { return seen ? *seen : shape->profile; }
  };

  [[nodiscard]] std::shared_ptr<const LoweredShape> lower(std::uint64_t signature,
                                                          Profile profile) const {
    return std::make_shared<const LoweredShape>(
        lower_shape(*graph_, signature, std::move(profile), has_input_gradients_));
  }

  [[nodiscard]] std::shared_ptr<const LoweredShape> read(StateReader& reader,
                                                         std::uint64_t signature) const {
    Profile profile = read_profile(reader);
    try {
      check_profile(*graph_, profile);
    } catch (const InvalidArgument& unfit) {
      reader.refuse(unfit.what());
    }
    return lower(signature, std::move(profile));
  }

  G* graph_;
  bool has_input_gradients_;
  RecentMap<Known> shapes_;
};

}  // namespace reprise::inline v0::running
