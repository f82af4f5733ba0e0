// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Any device, with tensors of half the size.

#include "engine/bfloat16.hpp"

namespace gpt {

/// A device whose tensors have 16-bit elements and which computes as `Base` does. The layers read
/// their weights rounded; the weights that the optimiser moves, all parameters' gradients and the
/// sums inside of each operation stay floats.
template <class Base>
class InBfloat16 : public Base {
 public:
  using Base::Base;
  using Element = Bfloat16;
};

}  // namespace gpt
