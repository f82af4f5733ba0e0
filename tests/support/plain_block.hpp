// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The least that a layer can be, for tests of what does not compile.

#include <reprise/core/pass_context.hpp>
#include <vector>

namespace reprise_test {

using PlainTensor = std::vector<float>;

/// y = x.
struct PlainBlock {
  using tensor_type = PlainTensor;
  PlainTensor forward(const PlainTensor& x, reprise::PassContext&) { return x; }
  PlainTensor backward(const PlainTensor& dy, reprise::PassContext&) { return dy; }
};

}  // namespace reprise_test
