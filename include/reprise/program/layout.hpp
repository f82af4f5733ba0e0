// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Where in one arena each value of a schedule lies.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <reprise/core/error.hpp>
#include <reprise/core/units.hpp>
#include <reprise/program/arena/lifetimes.hpp>
#include <reprise/program/arena/piece.hpp>
#include <reprise/program/arena/slab_search.hpp>
#include <reprise/program/arena_block.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/schedule.hpp>
#include <reprise/program/simulate.hpp>
#include <string>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// An arena for one pass.
struct ArenaLayout {
  std::vector<ArenaBlock> blocks{};  ///< in the order in which they are made
  byte_count high_water = 0;         ///< bytes that the arena needs
  byte_count live_bytes = 0;         ///< the most that is there at once: no arena is smaller
  byte_count alignment = 1;          ///< of the arena and of offsets, in bytes
};

/// How to lay out an arena.
struct LayoutOptions {
  byte_count alignment = 64;  ///< of offsets, in bytes; a power of 2
  double seconds = 0.5;       ///< at most, for improvements, once a layout is there
  /// If not 0: so many improvements are tried, whatever time they take. Layouts are then
  /// the same in each run and on any machine.
  std::uint64_t tries = 0;
  std::uint64_t seed = 0;  ///< of the improvements' random choices
  /// That look for improvements side by side, at most 2. With `tries` the layout does not depend on
  /// it.
  unsigned threads = 2;
  /// If not 0: bytes that the arena may have. A layout that needs no more is not improved on, nor
  /// is one where no layout can come to so little.
  byte_count goal = 0;
};

/// Places what a schedule makes in one arena, for an engine with a preallocated slab: each block
/// has its bytes to itself while it is there.
///
/// Views lie in their source. A value that is consumed hands its place to an output of the same
/// size, but not to a gradient that is made by adding in place and so begins with zeros; otherwise
/// it stays until its reader has run. Inputs and constants are the engine's own.
/// The first answer is the best of seven: from the bottom up by three orders, in about n log n, and
/// best fit by four where that does not take long. A depth-first search with restarts improves on
/// it within the given time or number of tries, where it needs more than is there at once; parts of
/// the schedule that no block leaves are placed alone.
/// @throws InvalidArgument if the alignment is not a power of 2, or so large that all blocks, one
///   after another, pass 2^63 - 1 bytes, and for a time that is not finite; InvalidSchedule as
///   `check_actions`
[[nodiscard]] inline ArenaLayout layout(const Program& program, const Schedule& schedule,
                                        const LayoutOptions& options = {}) {
  if (options.alignment == 0 || (options.alignment & (options.alignment - 1)) != 0) {
    throw InvalidArgument("an alignment of " + std::to_string(options.alignment) +
                          " bytes is no power of 2");
  }
  if (!std::isfinite(options.seconds)) {
    throw InvalidArgument("a search of " + std::to_string(options.seconds) + " seconds has no end");
  }
  check_actions(program, schedule);
  arena::Lifetimes lifetimes(program, options.alignment);
  lifetimes.follow(schedule);
  ArenaLayout result{.alignment = options.alignment};
  result.live_bytes = arena::live_bytes(lifetimes.pieces);
  if (lifetimes.pieces.empty()) return result;
  arena::SlabSearch search(lifetimes.pieces);
  search.run({.seconds = options.seconds,
              .tries = options.tries,
              .seed = options.seed,
              .threads = options.threads,
              .goal = options.goal});
  result.high_water = search.high_water();
  result.blocks = std::move(lifetimes.blocks);
  for (std::size_t b = 0; b < result.blocks.size(); ++b) {
    result.blocks[b].offset = search.offsets[lifetimes.pieces_of_blocks[b]];
  }
  return result;
}

}  // namespace reprise::inline v0
