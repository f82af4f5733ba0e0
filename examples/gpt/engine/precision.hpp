// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// How exactly a device stores and multiplies.

#include <array>
#include <cstddef>
#include <string_view>

namespace gpt {

/// What tensors and the factors of matrix products are rounded to. The weights that the optimiser
/// moves, its state, all parameters' gradients and all sums are fp32.
///
/// - fp32: nothing is rounded.
/// - tf32: a GPU rounds the factors of its products; all that is stored is fp32.
/// - bf16: tensors and the weights that the layers read are stored in 16 bits.
enum class Precision { fp32, tf32, bf16 };

/// Their names, in their order.
inline constexpr auto precision_names = std::to_array<std::string_view>({"fp32", "tf32", "bf16"});

[[nodiscard]] constexpr std::string_view name_of(Precision precision) {
  return precision_names.at(static_cast<std::size_t>(precision));
}

}  // namespace gpt
