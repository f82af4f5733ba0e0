// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A transformer's forward and backward as a program of operations.

#include <cstdint>
#include <reprise/program/program.hpp>
#include <reprise/program/schedule.hpp>
#include <vector>

#include "transformer.hpp"

namespace scale {

/// What an operation's cost is.
enum class CostUnit : std::uint8_t {
  flops,    ///< of matrix products; whatever works element by element is free, as in the paper
  seconds,  ///< on paper: the longer of arithmetic and memory traffic, see `A100`
};

/// What an accelerator is taken to do at best. Source: NVIDIA's data sheet of the A100 80GB SXM.
struct A100 {
  static constexpr double flops_per_second = 312e12;
  static constexpr double bytes_per_second = 2.039e12;
};

/// What selective recomputation drops in one layer, and what makes it.
struct AttentionCore {
  reprise::value_id scores = 0;
  reprise::value_id probabilities = 0;
  reprise::value_id dropped_out = 0;  ///< the probabilities after dropout
  reprise::value_id mask = 0;
  reprise::value_id context = 0;          ///< the core's output, which stays
  reprise::operation_id dropout = 0;      ///< makes `dropped_out` and `mask`
  reprise::operation_id over_values = 0;  ///< makes `context`
};

/// A program, and where the attention of each layer is in it.
struct TransformerProgram {
  reprise::Program program;
  std::vector<AttentionCore> cores;
};

/// All layers of a model in a row, for one micro-batch on one tensor-parallel rank.
///
/// A layer is norm, product with the weights of Q, K and V, QKᵀ, softmax, dropout, product with V,
/// projection, dropout and residual, norm, first MLP product, GELU, second one, dropout and
/// residual. Each backward reads what the paper says is kept for it, 2 bytes an element and 1 an
/// element of a mask. What enters the first layer is there from the start and stays; what leaves
/// the last one meets its gradient at the loss. Gathered inputs and unreduced outputs of sequence
/// parallelism are transient. Weights, their gradients, the optimiser's state, embedding and head
/// are not in it, nor is communication's time.
[[nodiscard]] TransformerProgram transformer_program(const Transformer& model, Sharding sharding,
                                                     CostUnit unit = CostUnit::flops);

/// Selective recomputation as the paper has it: each layer's attention core runs again as a whole,
/// its product with V too, though backward does not need that.
[[nodiscard]] reprise::Schedule selective_schedule(const TransformerProgram& model);

}  // namespace scale
