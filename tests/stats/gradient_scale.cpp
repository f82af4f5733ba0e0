// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include <doctest/doctest.h>

#include <limits>
#include <reprise/core/error.hpp>
#include <reprise/stats/gradient_scale.hpp>

using reprise::GradientScale;

TEST_CASE("a scale divides squared norms by its square") {
  CHECK(GradientScale{}.squared_norm_factor() == 1.0);
  CHECK(GradientScale{.loss_scale = 1024}.squared_norm_factor() == 0x1p-20);
  CHECK(GradientScale{.loss_scale = 0.5, .micro_batches = 4}.squared_norm_factor() == 0.25);
}

TEST_CASE("scales that no step has are refused") {
  for (const double scale : {0.0, -1.0, std::numeric_limits<double>::infinity(),
                             std::numeric_limits<double>::quiet_NaN(), 1e-300, 1e300}) {
    CHECK_THROWS_AS(static_cast<void>(GradientScale{.loss_scale = scale}.squared_norm_factor()),
                    reprise::InvalidArgument);
  }
  CHECK_THROWS_AS(static_cast<void>(GradientScale{.micro_batches = 0}.squared_norm_factor()),
                  reprise::InvalidArgument);
}
