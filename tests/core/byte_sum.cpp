// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <optional>
#include <reprise/core/byte_sum.hpp>
#include <reprise/core/units.hpp>

TEST_CASE("a sum of bytes is right, or is none") {
  constexpr reprise::byte_count most = reprise::unlimited_bytes;
  CHECK(reprise::byte_sum(2, 3) == 5);
  CHECK(reprise::byte_sum(most, 0) == most);
  CHECK(reprise::byte_sum(most - 7, 7) == most);
  CHECK(reprise::byte_sum(most - 7, 8) == std::nullopt);
  CHECK(reprise::byte_sum(most, most) == std::nullopt);
}
