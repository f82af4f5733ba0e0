// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// expect: Element<

// A gradient of integers is no gradient.

#include <reprise/backend/gradient_view.hpp>
#include <vector>

reprise::GradientView view() {
#ifdef REPRISE_POSITIVE
  static const std::vector<float> gradient(3);
#else
  static const std::vector<int> gradient(3);
#endif
  return reprise::gradient_view(gradient, 0);
}
