// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Transformers of a published size, and what closed formulas say of them.

#include <array>
#include <cstdint>
#include <reprise/core/units.hpp>
#include <string_view>

namespace scale {

/// How a layer's tensors lie on the ranks of a tensor-parallel group.
enum class Sharding : std::uint8_t {
  none,      ///< one rank has everything
  tensor,    ///< inside attention and MLP by heads and columns, whole outside
  sequence,  ///< as `tensor`, and outside of them by tokens
};

/// What a rank keeps of a layer from forward to backward.
enum class Kept : std::uint8_t {
  everything,
  all_but_core,  ///< selective recomputation: nothing of the attention core
  inputs,        ///< full recomputation: the layer's input
};

/// A model, and how it is trained.
struct Transformer {
  std::string_view name = "";
  std::uint64_t layers = 0;
  std::uint64_t hidden = 0;
  std::uint64_t heads = 0;
  std::uint64_t micro_batch = 1;
  std::uint64_t tensor_ranks = 1;
  std::uint64_t pipeline_stages = 1;
  std::uint64_t chunks = 1;  ///< of each stage, in an interleaved schedule
  std::uint64_t sequence = 2048;
  std::uint64_t vocabulary = 51'200;

  /// Elements of one activation between layers, on all ranks together: s b h.
  [[nodiscard]] constexpr std::uint64_t elements() const noexcept {
    return sequence * micro_batch * hidden;
  }
  /// Elements of the attention scores of one layer, on all ranks together: a s² b.
  [[nodiscard]] constexpr std::uint64_t scores() const noexcept {
    return heads * sequence * sequence * micro_batch;
  }
  /// Weights and embeddings: 12 L h² + (v + s) h, without biases and norms.
  [[nodiscard]] constexpr std::uint64_t parameters() const noexcept {
    return 12 * layers * hidden * hidden + (vocabulary + sequence) * hidden;
  }
};

/// The models of Korthikanti et al., "Reducing activation recomputation in large transformer
/// models", arXiv:2205.05198, table 3.
inline constexpr std::array paper_transformers{
    Transformer{.name = "22B",
                .layers = 48,
                .hidden = 6'144,
                .heads = 64,
                .micro_batch = 4,
                .tensor_ranks = 8},
    Transformer{.name = "175B",
                .layers = 96,
                .hidden = 12'288,
                .heads = 96,
                .tensor_ranks = 8,
                .pipeline_stages = 8,
                .chunks = 3},
    Transformer{.name = "530B",
                .layers = 105,
                .hidden = 20'480,
                .heads = 128,
                .tensor_ranks = 8,
                .pipeline_stages = 35,
                .chunks = 3},
    Transformer{.name = "1T",
                .layers = 128,
                .hidden = 25'600,
                .heads = 160,
                .tensor_ranks = 8,
                .pipeline_stages = 64},
};

/// Bytes that a rank keeps of one layer of one micro-batch: the paper's table 2. Everything is
/// s b h (34 + 5 a s / h) on one rank; t ranks make that s b h (10 + 24 / t + 5 a s / (h t)), and
/// with sequence parallelism all of it is divided by t.
[[nodiscard]] constexpr reprise::byte_count layer_bytes(const Transformer& model, Sharding sharding,
                                                        Kept kept = Kept::everything) noexcept {
  const std::uint64_t inside = sharding == Sharding::none ? 1 : model.tensor_ranks;
  const std::uint64_t outside = sharding == Sharding::sequence ? model.tensor_ranks : 1;
  if (kept == Kept::inputs) return 2 * model.elements() / outside;
  const reprise::byte_count linear =
      10 * model.elements() / outside + 24 * model.elements() / inside;
  return kept == Kept::all_but_core ? linear : linear + 5 * model.scores() / inside;
}

/// Bytes on a rank of the first pipeline stage, which holds p micro-batches of L / p layers each,
/// and in an interleaved schedule of m chunks 1 + (p - 1) / (p m) times as much; with its
/// embedding, and with the head where there is no other stage: the paper's section 4.3.
[[nodiscard]] constexpr double first_stage_bytes(const Transformer& model, Sharding sharding,
                                                 Kept kept = Kept::everything) noexcept {
  const auto stages = static_cast<double>(model.pipeline_stages);
  const double outside =
      sharding == Sharding::sequence ? static_cast<double>(model.tensor_ranks) : 1.0;
  const double activation = static_cast<double>(model.elements()) / outside;
  const double interleaving =
      model.chunks > 1 ? 1 + (stages - 1) / (stages * static_cast<double>(model.chunks)) : 1.0;
  const double layers = static_cast<double>(layer_bytes(model, sharding, kept)) *
                        static_cast<double>(model.layers) * interleaving;
  const double logits = 4 * static_cast<double>(model.sequence * model.micro_batch) *
                        static_cast<double>(model.vocabulary) /
                        static_cast<double>(model.tensor_ranks);
  const double head = model.pipeline_stages == 1 ? 4 * activation + logits : 0;
  return layers + activation * stages + head;
}

/// FLOPs of the products of one layer's forward, on all ranks together: 24 b s h² (1 + s / (6 h)).
/// Backward has twice as many.
[[nodiscard]] constexpr std::uint64_t layer_flops(const Transformer& model) noexcept {
  return 24 * model.elements() * model.hidden + 4 * model.elements() * model.sequence;
}

/// Of these, the attention core's: 4 b s² h.
[[nodiscard]] constexpr std::uint64_t core_flops(const Transformer& model) noexcept {
  return 4 * model.elements() * model.sequence;
}

}  // namespace scale
