// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Whether a layout is one of a schedule.

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <map>
#include <numeric>
#include <queue>
#include <reprise/core/error.hpp>
#include <reprise/core/units.hpp>
#include <reprise/program/arena/lifetimes.hpp>
#include <reprise/program/arena/piece.hpp>
#include <reprise/program/arena_block.hpp>
#include <reprise/program/layout.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/schedule.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace reprise::inline v0::arena {

/// "block 3 (output 0 of node 1)", for messages.
[[nodiscard]] inline std::string describe_block(const Program& program, const ArenaBlock& block,
                                                std::size_t number) {
  return "block " + std::to_string(number) + " (" +
         (block.value < program.values().size() ? program.describe(block.value)
                                                : "scratch memory") +
         ")";
}

/// Refuses blocks that are not those of the schedule, in their order.
inline void check_blocks(const Program& program, const ArenaLayout& layout,
                         const Lifetimes& lifetimes) {
  const std::vector<ArenaBlock>& expected = lifetimes.blocks;
  const auto is_same = [](const ArenaBlock& a, const ArenaBlock& b) {
    return a.value == b.value && a.first_action == b.first_action &&
           a.last_action == b.last_action && a.bytes == b.bytes && a.is_scratch == b.is_scratch;
  };
  if (layout.blocks.size() != expected.size()) {
    throw InvalidArgument("a layout of " + std::to_string(layout.blocks.size()) +
                          " blocks for a schedule that makes " + std::to_string(expected.size()));
  }
  for (std::size_t b = 0; b < expected.size(); ++b) {
    if (is_same(layout.blocks[b], expected[b])) continue;
    const auto text = [&](const ArenaBlock& block) {
      return describe_block(program, block, b) + " of " + std::to_string(block.bytes) +
             " bytes at actions " + std::to_string(block.first_action) + " to " +
             std::to_string(block.last_action);
    };
    throw InvalidArgument("the layout is of another plan: it has " + text(layout.blocks[b]) +
                          ", the schedule " + text(expected[b]));
  }
}

/// Refuses a block that is misaligned, ends above the layout's bytes, or lies elsewhere than what
/// it takes the place of.
inline void check_offsets(const Program& program, const ArenaLayout& layout,
                          const Lifetimes& lifetimes) {
  std::vector<std::size_t> first_of(lifetimes.pieces.size(), layout.blocks.size());
  for (std::size_t b = 0; b < layout.blocks.size(); ++b) {
    const ArenaBlock& block = layout.blocks[b];
    const auto refuse = [&](const std::string& why) {
      throw InvalidArgument(describe_block(program, block, b) + " of the layout lies at " +
                            std::to_string(block.offset) + ", " + why);
    };
    if (block.offset % layout.alignment != 0) {
      refuse("no multiple of " + std::to_string(layout.alignment));
    }
    if (block.bytes > layout.high_water || block.offset > layout.high_water - block.bytes) {
      refuse("and its " + std::to_string(block.bytes) + " bytes end above the layout's " +
             std::to_string(layout.high_water));
    }
    std::size_t& first = first_of[lifetimes.pieces_of_blocks[b]];
    if (first == layout.blocks.size()) first = b;
    if (layout.blocks[first].offset != block.offset) {
      refuse("and what it is made of at " + std::to_string(layout.blocks[first].offset));
    }
  }
}

/// Refuses two that share bytes while both are there. n log n.
inline void check_apart(const Program& program, const ArenaLayout& layout,
                        const Lifetimes& lifetimes) {
  const std::vector<Piece>& pieces = lifetimes.pieces;
  std::vector<std::size_t> blocks;  // one of each piece with bytes
  std::vector<char> is_seen(pieces.size(), 0);
  for (std::size_t b = 0; b < layout.blocks.size(); ++b) {
    const std::uint32_t piece = lifetimes.pieces_of_blocks[b];
    if (std::exchange(is_seen[piece], char{1}) == 0 && pieces[piece].bytes > 0) blocks.push_back(b);
  }
  const auto piece_of = [&](std::size_t b) { return pieces[lifetimes.pieces_of_blocks[b]]; };
  std::ranges::stable_sort(blocks, {}, [&](std::size_t b) { return piece_of(b).first; });
  using Ending = std::pair<std::uint32_t, std::size_t>;
  std::priority_queue<Ending, std::vector<Ending>, std::greater<>> endings;
  std::map<byte_count, std::size_t> there;  // offset -> block
  for (const std::size_t b : blocks) {
    for (; !endings.empty() && endings.top().first < piece_of(b).first; endings.pop()) {
      there.erase(layout.blocks[endings.top().second].offset);
    }
    const byte_count offset = layout.blocks[b].offset;
    const auto refuse = [&](std::size_t other) {
      throw InvalidArgument(describe_block(program, layout.blocks[b], b) + " and " +
                            describe_block(program, layout.blocks[other], other) +
                            " of the layout share bytes while both are there");
    };
    const auto above = there.lower_bound(offset);
    if (above != there.end() && above->first < offset + piece_of(b).bytes) refuse(above->second);
    if (above != there.begin()) {
      const auto& [start, below] = *std::prev(above);
      if (start + piece_of(below).bytes > offset) refuse(below);
    }
    there.emplace_hint(above, offset, b);
    endings.emplace(piece_of(b).last, b);
  }
}

/// Checks that a layout, from wherever it came, is one of a schedule. n log n.
/// @throws InvalidArgument naming the first block that is not; InvalidSchedule as `check_actions`
inline void check_layout(const Program& program, const Schedule& schedule,
                         const ArenaLayout& layout) {
  if (!std::has_single_bit(layout.alignment)) {
    throw InvalidArgument("the layout's alignment of " + std::to_string(layout.alignment) +
                          " bytes is no power of 2");
  }
  check_actions(program, schedule);
  Lifetimes lifetimes(program, layout.alignment);
  lifetimes.follow(schedule);
  check_blocks(program, layout, lifetimes);
  check_offsets(program, layout, lifetimes);
  check_apart(program, layout, lifetimes);
}

}  // namespace reprise::inline v0::arena
