// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// How it is asked whether a node shows its gradients.

#include <type_traits>

namespace reprise::inline v0::node {

/// Takes a gradient of any type and does nothing with it: what `for_each_gradient` is tried with.
/// A type with a name, since nvcc finds a requirement with a lambda never met.
struct AnyGradient {
  /// Does nothing. Does not compile for what is an element of a gradient, or a pointer to one.
  template <class Gradient>
  void operator()(Gradient&& /*gradient*/) const {
    using Given = std::remove_cvref_t<Gradient>;
    static_assert(!std::is_arithmetic_v<Given> && !std::is_pointer_v<Given>,
                  "for_each_gradient calls f with a span of each parameter gradient, as in "
                  "f(std::span<float>(dw)), not with an element of it or a pointer to one");
  }
};

}  // namespace reprise::inline v0::node
