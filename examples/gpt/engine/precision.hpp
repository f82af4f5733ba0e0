// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// How exactly a device multiplies.

namespace gpt {

/// What a device's matrix products round their factors to. All that is stored is fp32, the weights
/// that the optimiser moves too, and so are the sums.
enum class Precision { fp32, tf32, bf16 };

}  // namespace gpt
