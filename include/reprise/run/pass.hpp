// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A pass between its forward and its backward.

#include <cstddef>
#include <memory>
#include <reprise/core/error.hpp>
#include <reprise/core/layer_graph.hpp>
#include <string>
#include <utility>

namespace reprise::inline v0 {

/// A pass between its forward and its backward: owns what backward will need; destroying it cancels
/// the pass and drops what it holds. Must not outlive the object that made it.
/// @tparam P plays it
template <LayerGraph G, class P>
class Pass {
 public:
  /// Takes over what has played the forward.
  explicit Pass(std::unique_ptr<P> player) : player_(std::move(player)) {}

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
  [[nodiscard]] const P* player() const noexcept { return player_.get(); }

  /// Hands over what plays the pass.
  [[nodiscard]] std::unique_ptr<P> release() noexcept { return std::move(player_); }

 private:
  std::unique_ptr<P> player_;
};

}  // namespace reprise::inline v0
