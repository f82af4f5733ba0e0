// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <reprise/backend/publication_ring.hpp>

TEST_CASE("what is visible lies where the next publication goes, and in no other slot") {
  reprise::PublicationRing<1> ring;
  CHECK(!ring.visible());
  ring.advance();
  CHECK(!ring.visible());
  for (std::uint64_t last = 1; last < 20; ++last) {
    ring.advance();
    REQUIRE(ring.visible() == std::optional(last - 1));
    CHECK(ring.next() == last + 1);
    CHECK(ring.slot(*ring.visible()) == ring.slot(ring.next()));
    CHECK(ring.slot(*ring.visible()) != ring.slot(last));
  }
}

TEST_CASE("without a delay the last publication is visible") {
  reprise::PublicationRing<0> ring;
  CHECK(!ring.visible());
  ring.advance(7);
  CHECK(ring.visible() == std::optional<std::uint64_t>(6));
  CHECK(ring.slots == 1);
}
