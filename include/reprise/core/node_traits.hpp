// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What a node says of itself: what its backward reads, what it consumes, what it costs.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <reprise/core/hash.hpp>
#include <reprise/core/units.hpp>
#include <vector>

namespace reprise::inline v0 {

/// A set of a node's inputs and outputs.
struct Reads {
  std::uint32_t inputs = 0;  ///< bit i: input i; bit 31: input 31 and all beyond
  bool of_output = false;    ///< all outputs of the node

  static const Reads none;    ///< nothing
  static const Reads input;   ///< every input
  static const Reads output;  ///< every output

  /// The input with number `index`, counted from 0.
  [[nodiscard]] static constexpr Reads input_at(std::size_t index) noexcept {
    return {.inputs = 1U << (index < 31 ? index : 31), .of_output = false};
  }
  /// True if the set holds the input with number `index`.
  [[nodiscard]] constexpr bool has_input(std::size_t index) const noexcept {
    return ((inputs >> (index < 31 ? index : 31)) & 1U) != 0;
  }
  /// What is in either set.
  [[nodiscard]] friend constexpr Reads operator|(Reads a, Reads b) noexcept {
    return {.inputs = a.inputs | b.inputs, .of_output = a.of_output || b.of_output};
  }
  [[nodiscard]] friend constexpr bool operator==(Reads, Reads) noexcept = default;
};

inline constexpr Reads Reads::none{.inputs = 0, .of_output = false};
inline constexpr Reads Reads::input{.inputs = 0xFFFFFFFFU, .of_output = false};
inline constexpr Reads Reads::output{.inputs = 0, .of_output = true};

/// What a node takes over instead of reading: its bytes are free for what the node makes.
struct Consumes {
  static constexpr int nothing = -1;  ///< the `input_index` of a node that takes over no input

  int input_index = nothing;  ///< forward takes this input as an rvalue and reuses its memory
  bool of_gradient = false;   ///< backward takes the gradient of its output as an rvalue

  [[nodiscard]] friend constexpr bool operator==(Consumes, Consumes) noexcept = default;
};

/// What a node costs for the inputs at hand. Seconds that are not declared are measured, unless
/// another cost model is asked for.
///
/// Bytes that depend on what is in the inputs, as those of tokens that a router sends, may be
/// declared at their most: then plans count the most from the first forward on, and no pass finds
/// that it makes more than was measured.
struct NodeCosts {
  std::optional<double> forward_flops = std::nullopt;     ///< of one call; empty: not declared
  std::optional<double> backward_flops = std::nullopt;    ///< of one call; empty: not declared
  std::optional<double> forward_seconds = std::nullopt;   ///< of one call; empty: not declared
  std::optional<double> backward_seconds = std::nullopt;  ///< of one call; empty: not declared
  byte_count forward_transient_bytes = 0;      ///< beyond everything that forward returns
  byte_count backward_transient_bytes = 0;     ///< beyond everything that backward returns
  std::vector<byte_count> max_output_bytes{};  ///< a port each, or empty: as measured
  byte_count max_saved_bytes = 0;  ///< if more than is measured, resident state included
};

/// All that a layer graph says of a node before anything runs.
struct NodeTraits {
  std::uint32_t layer = 0;         ///< the node's layer; layers are numbered 0, 1, 2, …
  std::uint32_t output_count = 1;  ///< ports
  Reads backward_reads{};          ///< what backward needs again
  Reads tolerates{};               ///< of these: what backward may read approximately
  Reads linear{};                  ///< of these: what gradients are linear in, as `Node` says
  bool tolerates_saved = false;    ///< backward may read each tensor that it saved approximately
  bool linear_saved = false;       ///< gradients are linear in each of them
  Reads differentiates = Reads::input;     ///< the inputs that get a gradient
  Consumes consumes{};                     ///< what it takes over
  std::optional<std::uint32_t> view_of{};  ///< every output is a view of this input's storage
  bool can_recompute = true;               ///< forward may run again in its pass
  bool can_skip_output = false;            ///< may return empty outputs in a recompute
  bool is_frozen = false;                  ///< no parameter of it wants a gradient
  bool accumulates_in_place = false;  ///< backward adds into the gradients it is given, no partials
  bool skips_unwanted_gradients = false;  ///< backward makes no gradient that nobody wants
  bool has_resident_state = false;        ///< keeps saved state in itself, see `resident_bytes`
  bool hides_gradients = false;           ///< may have parameters and has no `for_each_gradient`
};

/// A hash of all that the traits say: another one means another program.
[[nodiscard]] constexpr std::uint64_t fingerprint(const NodeTraits& traits) noexcept {
  std::uint64_t hash = hash_combine(traits.layer, traits.output_count);
  for (const Reads& reads : {traits.backward_reads, traits.differentiates}) {
    hash = hash_combine(hash_combine(hash, reads.inputs), reads.of_output ? 1 : 0);
  }
  if (traits.tolerates_saved) hash = hash_combine(hash, 3);
  if (traits.tolerates != Reads{}) {
    hash = hash_combine(hash, traits.tolerates.inputs);
    hash = hash_combine(hash, traits.tolerates.of_output ? 1 : 0);
  }
  if (traits.linear_saved) hash = hash_combine(hash, 5);
  if (traits.linear != Reads{}) {
    hash = hash_combine(hash, traits.linear.inputs);
    hash = hash_combine(hash, traits.linear.of_output ? 7 : 6);
  }
  hash = hash_combine(hash, static_cast<std::uint64_t>(traits.consumes.input_index) + 1);
  hash = hash_combine(hash, traits.view_of ? *traits.view_of + std::uint64_t{1} : 0);
  for (const bool flag :
       {traits.consumes.of_gradient, traits.can_skip_output, traits.is_frozen,
        traits.accumulates_in_place, traits.skips_unwanted_gradients, traits.has_resident_state}) {
    hash = hash_combine(hash, flag ? 1 : 0);
  }
  return traits.can_recompute ? hash : hash_combine(hash, 2);  // what was saved before it existed
}

}  // namespace reprise::inline v0
