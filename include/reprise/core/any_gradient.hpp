// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// How it is asked whether a node shows its gradients.

namespace reprise::inline v0::node {

/// Takes a gradient of any type and does nothing with it: what `for_each_gradient` is tried with.
/// A type with a name, since nvcc finds a requirement with a lambda never met.
struct AnyGradient {
  /// Does nothing.
  template <class Gradient>
  void operator()(Gradient&& /*gradient*/) const {}
};

}  // namespace reprise::inline v0::node
