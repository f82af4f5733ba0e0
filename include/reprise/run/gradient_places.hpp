// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The places that nodes' backward puts gradients in.

#include <cstddef>
#include <cstdint>
#include <reprise/core/error.hpp>
#include <reprise/core/layer_graph.hpp>
#include <reprise/core/pass_context.hpp>
#include <reprise/core/tensor.hpp>
#include <reprise/program/lowering.hpp>
#include <reprise/program/program.hpp>
#include <reprise/run/made_tensors.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace reprise::inline v0::running {

/// Gives each backward of a pass the places for the gradients of the node's inputs, and adds to a
/// gradient what several backwards make of it.
///
/// The first part of a gradient that is there becomes it; later ones get a place of their own,
/// unless the node adds in place.
template <TensorLike T>
class GradientPlaces {
 public:
  /// Borrows the lowering.
  explicit GradientPlaces(const LoweredGraph& lowered)
      : lowered_(lowered), begun_(lowered.program.values().size(), 0) {}

  /// The gradient of a graph input or an output; `LoweredGraph::no_value` where none is wanted.
  [[nodiscard]] value_id gradient_of(Source source) const {
    return source.is_graph_input() ? lowered_.input_gradients[source.port]
                                   : lowered_.gradients[source.node][source.port];
  }

  /// Chooses the places of a node's backward.
  /// @param sources of the node's inputs
  template <class Values>
  void choose(const NodeTraits& traits, std::span<const Source> sources, Values& values) {
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
  }

  /// By input of the node; null where no gradient is wanted.
  [[nodiscard]] const std::vector<T*>& places() const noexcept { return places_; }

  /// The inputs without a place, as a pass tells it to the node.
  [[nodiscard]] std::uint32_t unwanted() const {
    return unwanted_input_gradients(places_.size(),
                                    [this](std::size_t i) { return places_[i] == nullptr; });
  }

  /// Adds what lies in places of its own to the gradients.
  /// @throws InvalidArgument if a part cannot be added to what is there; what the engine throws
  template <class Values>
  void accumulate(std::size_t node, std::span<const Source> sources, Values& values) {
    for (std::size_t i = 0; i < places_.size(); ++i) {
      if (places_[i] != &parts_[i] || !has_memory(parts_[i])) continue;
      T& whole = values.at(gradient_of(sources[i])).tensor;
      if (has_memory(whole)) {
        add(node, i, whole);
      } else {
        whole = std::move(parts_[i]);
      }
      parts_[i] = T{};
    }
  }

  /// How messages name what a node's backward has put in a place.
  [[nodiscard]] static std::string described(std::size_t node, std::size_t input) {
    return "the gradient that node " + std::to_string(node) + " returns for its input " +
           std::to_string(input);
  }

 private:
  void add(std::size_t node, std::size_t input, T& whole) {
    try {
      tensor_traits<T>::accumulate(whole, parts_[input]);
    } catch (const InvalidArgument& refused) {
      throw InvalidArgument(described(node, input) + ": " + refused.what());
    }
  }

  const LoweredGraph& lowered_;
  std::vector<std::uint64_t> begun_;  ///< by gradient: the last backward that had a place for it
  std::uint64_t backwards_ = 0;       ///< called so far
  std::vector<T*> places_;
  std::vector<T> parts_;
};

}  // namespace reprise::inline v0::running
