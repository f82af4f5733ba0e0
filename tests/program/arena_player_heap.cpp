// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// joined: no

// A player takes no memory once it is made.

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <reprise/program/arena_player.hpp>
#include <reprise/program/schedule_from_saved.hpp>
#include <span>
#include <vector>

#include "support/chain_program.hpp"
#include "support/counted_heap.hpp"

namespace {

// By the block, so that it is aligned.
struct alignas(64) Line {
  std::byte bytes[64];
};

struct CountingKernels {
  std::size_t runs = 0;

  void operator()(const reprise::ArenaCall& /*call*/) { ++runs; }
  void zero(void* /*place*/, reprise::byte_count /*bytes*/) { ++runs; }
  void add(reprise::value_id /*gradient*/, void* /*sum*/, const void* /*part*/) { ++runs; }
};

}  // namespace

TEST_CASE("a pass takes nothing of the heap") {
  const reprise::Program program = reprise_test::chain_program(50);
  const reprise::Schedule schedule =
      schedule_from_saved(program, reprise::SavedSet(program.values().size(), 0));
  const reprise::ArenaLayout layout = reprise::layout(program, schedule, {.tries = 1});
  static Line memory[256];
  const std::span<std::byte> slab = std::as_writable_bytes(std::span(memory));
  REQUIRE(layout.high_water <= slab.size());
  reprise::ArenaPlayer player(program, schedule, layout, slab);
  CountingKernels kernels;
  const std::size_t before = reprise_test::heap.taken;
  for (int pass = 0; pass < 3; ++pass) {
    player.bind(0, &memory[0]);
    player.play(kernels);
  }
  CHECK(reprise_test::heap.taken == before);
  CHECK(kernels.runs >= 3 * 100);
}
