// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <reprise/core/units.hpp>

TEST_CASE("bytes to text and back") {
  using namespace reprise::literals;
  CHECK(reprise::format_bytes(1023) == "1023 B");
  CHECK(reprise::format_bytes(1'572'864) == "1.50 MiB");
  CHECK(reprise::format_bytes(reprise::unlimited_bytes) == "unlimited");
  CHECK(reprise::parse_bytes("4096") == 4_KiB);
  CHECK(reprise::parse_bytes("64B") == 64_B);
  CHECK(reprise::parse_bytes("1.5 GiB") == 1536_MiB);
  CHECK(reprise::parse_bytes("2KB") == 2000);
  for (const char* const text : {"", "-1", "x", "1 XB", "1e3", "nan", "9000000TiB"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(static_cast<void>(reprise::parse_bytes(text)), reprise::InvalidArgument);
  }
}
