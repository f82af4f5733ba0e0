// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// optimise: always
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <random>
#include <reprise/program/arena/piece.hpp>
#include <reprise/program/arena/sections.hpp>
#include <reprise/program/arena/skyline.hpp>
#include <reprise/program/layout.hpp>
#include <vector>

#include "support/lifetimes_program.hpp"
#include "support/seed.hpp"

namespace {

using reprise::ArenaBlock;
using reprise::ArenaLayout;
using reprise::byte_count;
using reprise_test::Lifetime;

std::vector<Lifetime> random_blocks(std::mt19937_64& random, std::size_t count,
                                    std::uint64_t moments, byte_count most_bytes) {
  std::vector<Lifetime> blocks;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t begin = random() % moments;
    blocks.push_back({.begin = begin,
                      .end = begin + 1 + random() % (moments - begin),
                      .bytes = random() % (most_bytes + 1)});
  }
  return blocks;
}

// Seven blocks that need 5 bytes where 4 are live at once.
const std::vector<Lifetime> above_live{{0, 2, 2}, {3, 6, 2}, {1, 4, 1}, {5, 6, 2},
                                       {1, 3, 1}, {0, 1, 2}, {2, 5, 1}};

// Such blocks are rare: these, larger, and some that chance adds.
std::vector<Lifetime> blocks_above_live(std::mt19937_64& random) {
  std::vector<Lifetime> blocks = above_live;
  const byte_count scale = 1 + random() % 3;
  for (Lifetime& block : blocks) block.bytes *= scale;
  for (const Lifetime& block : random_blocks(random, random() % 3, 6, scale)) {
    blocks.push_back(block);
  }
  return blocks;
}

// In some order, what is put down as low as there is room makes a smallest layout: all are tried.
class Exhaustive {
 public:
  explicit Exhaustive(const std::vector<Lifetime>& blocks)
      : blocks_(blocks), offsets_(blocks.size()) {
    for (const Lifetime& at : blocks) {
      byte_count live = 0;
      for (const Lifetime& block : blocks) {
        if (block.begin <= at.begin && at.begin < block.end) live += block.bytes;
      }
      live_ = std::max(live_, live);
    }
  }

  byte_count optimum() {
    place(0);
    return least_;
  }

 private:
  void place(byte_count top) {
    if (top >= least_ || least_ == live_) return;
    if (placed_.size() == blocks_.size()) least_ = top;
    for (std::size_t b = 0; b < blocks_.size(); ++b) {
      if (std::ranges::find(placed_, b) != placed_.end()) continue;
      offsets_[b] = lowest(b);
      placed_.push_back(b);
      place(std::max(top, offsets_[b] + blocks_[b].bytes));
      placed_.pop_back();
    }
  }

  [[nodiscard]] byte_count lowest(std::size_t b) const {
    const Lifetime& block = blocks_[b];
    byte_count offset = 0;
    for (bool is_raised = true; is_raised;) {
      is_raised = false;
      for (const std::size_t p : placed_) {
        const Lifetime& other = blocks_[p];
        if (block.begin >= other.end || other.begin >= block.end) continue;
        if (offset + block.bytes <= offsets_[p] || offset >= offsets_[p] + other.bytes) continue;
        offset = offsets_[p] + other.bytes;
        is_raised = true;
      }
    }
    return offset;
  }

  const std::vector<Lifetime>& blocks_;
  std::vector<byte_count> offsets_;
  std::vector<std::size_t> placed_;
  byte_count live_ = 0;
  byte_count least_ = reprise::unlimited_bytes;
};

std::vector<byte_count> offsets_of(const ArenaLayout& laid) {
  std::vector<byte_count> offsets;
  for (const ArenaBlock& block : laid.blocks) offsets.push_back(block.offset);
  return offsets;
}

// Blocks that fill a box without a gap, cut where chance would have it: the box is the optimum.
void cut(std::mt19937_64& random, std::vector<Lifetime>& blocks, Lifetime box, int depth) {
  const std::uint64_t time = box.end - box.begin;
  const bool by_time = random() % 2 == 0;
  if (depth == 0 || (by_time ? time < 2 : box.bytes < 2)) {
    blocks.push_back(box);
    return;
  }
  Lifetime rest = box;
  if (by_time) {
    rest.begin = box.end = box.begin + 1 + random() % (time - 1);
  } else {
    const byte_count bytes = 1 + random() % (box.bytes - 1);
    rest.bytes -= bytes;
    box.bytes = bytes;
  }
  cut(random, blocks, box, depth - 1);
  cut(random, blocks, rest, depth - 1);
}

}  // namespace

TEST_CASE("a few blocks are placed as well as any order places them") {
  REPRISE_SEEDED(random);
  std::size_t count_above_live = 0;
  for (int i = 0; i < 200; ++i) {
    CAPTURE(i);
    const std::vector<Lifetime> blocks =
        i % 2 == 0 ? random_blocks(random, 1 + random() % 8, 3 + random() % 6, 1000)
                   : blocks_above_live(random);
    const ArenaLayout laid = reprise_test::checked_layout(blocks, {.tries = 200, .seed = random()});
    CHECK(laid.high_water == Exhaustive(blocks).optimum());
    if (laid.high_water > laid.live_bytes) ++count_above_live;
  }
  CHECK(count_above_live > 25);
}

TEST_CASE("blocks that fill a box find back into it") {
  REPRISE_SEEDED(random);
  for (int i = 0; i < 20; ++i) {
    CAPTURE(i);
    std::vector<Lifetime> blocks;
    cut(random, blocks, {.begin = 0, .end = 1000, .bytes = 1'000'000}, 7);
    const ArenaLayout laid = reprise_test::checked_layout(blocks, {.tries = 100});
    CHECK(laid.live_bytes == 1'000'000);
    CHECK(laid.high_water <= 1'020'000);
  }
}

TEST_CASE("a layout that needs no more than is live is not searched any further") {
  REPRISE_SEEDED(random);
  std::vector<Lifetime> blocks;
  for (std::uint64_t i = 0; i < 200; ++i) {
    blocks.push_back({.begin = i, .end = 400 - i, .bytes = 1 + random() % 1000});
  }
  // Would never end if it were.
  const ArenaLayout laid = reprise_test::checked_layout(blocks, {.tries = 1'000'000'000'000});
  CHECK(laid.high_water == laid.live_bytes);
}

TEST_CASE("a search that has proved its layout smallest ends too") {
  const ArenaLayout laid = reprise_test::checked_layout(above_live, {.tries = 1'000'000'000'000});
  CHECK(laid.live_bytes == 4);
  CHECK(laid.high_water == 5);
  CHECK(Exhaustive(above_live).optimum() == 5);
}

TEST_CASE("a search ends where it comes to its goal, and begins only where it could") {
  REPRISE_SEEDED(random);
  constexpr std::uint64_t endless = 1'000'000'000'000;
  int early = 0;
  for (int i = 0; i < 10; ++i) {
    CAPTURE(i);
    const std::vector<Lifetime> blocks = random_blocks(random, 120, 100, 100'000);
    const ArenaLayout best = reprise_test::checked_layout(blocks, {.tries = 40});
    const ArenaLayout first = reprise_test::checked_layout(blocks, {.tries = 40, .goal = 1});
    CHECK(first.high_water >= best.high_water);
    if (first.high_water > best.high_water) ++early;
    for (const byte_count goal : {best.high_water, (best.high_water + first.high_water) / 2}) {
      const ArenaLayout laid =
          reprise_test::checked_layout(blocks, {.tries = endless, .goal = goal});
      CHECK(laid.high_water <= goal);
    }
    static_cast<void>(
        reprise_test::checked_layout(blocks, {.tries = endless, .goal = best.live_bytes - 1}));
  }
  CHECK(early > 0);
  const ArenaLayout proved =
      reprise_test::checked_layout(above_live, {.tries = endless, .goal = 4});
  CHECK(proved.high_water == 5);
}

TEST_CASE("what is too much to search depth first is improved on too, the same each time") {
  REPRISE_SEEDED(random);
  const std::vector<Lifetime> blocks = random_blocks(random, 2001, 1000, 100'000);
  const ArenaLayout first = reprise_test::checked_layout(blocks, {.tries = 1});
  const ArenaLayout laid = reprise_test::checked_layout(blocks, {.tries = 24});
  CHECK(first.high_water > first.live_bytes);
  CHECK(laid.high_water < first.high_water);
  const auto [program, schedule] = reprise_test::lifetimes_program(blocks);
  CHECK(offsets_of(laid) == offsets_of(reprise::layout(
                                program, schedule, {.alignment = 1, .tries = 24, .threads = 1})));
}

TEST_CASE("equal seeds and tries give equal layouts on any threads, and more tries none worse") {
  REPRISE_SEEDED(random);
  for (int i = 0; i < 5; ++i) {
    CAPTURE(i);
    const std::vector<Lifetime> blocks = random_blocks(random, 120, 100, 100'000);
    const reprise::LayoutOptions few{.tries = 10, .seed = random()};
    reprise::LayoutOptions many = few;
    many.tries = 40;
    const ArenaLayout laid = reprise_test::checked_layout(blocks, few);
    CHECK(offsets_of(laid) == offsets_of(reprise_test::checked_layout(blocks, few)));
    reprise::LayoutOptions alone = few;
    alone.threads = 1;
    CHECK(offsets_of(laid) == offsets_of(reprise_test::checked_layout(blocks, alone)));
    CHECK(reprise_test::checked_layout(blocks, many).high_water <= laid.high_water);
  }
}

TEST_CASE(
    "a first layout of many blocks takes little more than one of few for each, and little room") {
  REPRISE_SEEDED(random);
  double steps_of_few = 0;
  for (const std::uint32_t count : {1'000U, 30'000U}) {
    CAPTURE(count);
    std::vector<reprise::arena::Piece> pieces;
    for (std::uint32_t i = 0; i < count; ++i) {
      const auto first = static_cast<std::uint32_t>(random() % (2 * count));
      const auto other = static_cast<std::uint32_t>(random() % (2 * count));
      pieces.push_back({std::min(first, other), std::max(first, other), 1 + random() % 100'000});
    }
    const reprise::arena::Sections sections(pieces);
    reprise::arena::Skyline skyline(sections);
    std::vector<double> priorities;
    for (const auto& [first, last] : sections.ranges) priorities.push_back(last - first + 1.0);
    std::vector<byte_count> offsets(count);
    skyline.place(priorities, offsets);
    byte_count top = 0;
    for (std::uint32_t p = 0; p < count; ++p) top = std::max(top, offsets[p] + pieces[p].bytes);
    CHECK(static_cast<double>(top) < 1.05 * static_cast<double>(live_bytes(pieces)));
    const double steps = static_cast<double>(skyline.steps()) / count;
    MESSAGE("steps a block: ", steps);
    if (steps_of_few == 0) steps_of_few = steps;
    CHECK(steps < 4 * steps_of_few);
  }
}
