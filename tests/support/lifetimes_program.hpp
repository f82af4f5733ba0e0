// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Blocks with lifetimes, as a program and a schedule that make and drop them.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <reprise/core/units.hpp>
#include <reprise/program/layout.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/schedule.hpp>
#include <tuple>
#include <utility>
#include <vector>

namespace reprise_test {

/// A block that is there from one moment until just before another.
struct Lifetime {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  reprise::byte_count bytes = 0;
};

/// One operation a block, in the order in which they begin.
struct LifetimesProgram {
  reprise::Program program;
  reprise::Schedule schedule;
};

inline LifetimesProgram lifetimes_program(std::vector<Lifetime> blocks) {
  std::ranges::stable_sort(blocks, {}, &Lifetime::begin);
  std::vector<std::tuple<std::uint64_t, bool, std::uint32_t>> events;  // ends before beginnings
  std::vector<reprise::Value> values;
  std::vector<reprise::Operation> operations;
  for (std::uint32_t i = 0; i < blocks.size(); ++i) {
    events.emplace_back(blocks[i].begin, true, i);
    events.emplace_back(blocks[i].end, false, i);
    values.push_back({.kind = reprise::ValueKind::output, .node = i, .bytes = blocks[i].bytes});
    operations.push_back({.node = i, .writes = {i}, .cost = 1});
  }
  std::ranges::sort(events);
  reprise::Schedule schedule;
  for (const auto& [time, begins, block] : events) {
    schedule.actions.push_back(begins ? reprise::Action::run(block) : reprise::Action::drop(block));
  }
  return {.program = {std::move(values), std::move(operations), reprise::Program::no_operation, 1,
                      true},
          .schedule = std::move(schedule)};
}

/// Lays out blocks byte by byte and checks that none lies on another.
inline reprise::ArenaLayout checked_layout(const std::vector<Lifetime>& blocks,
                                           reprise::LayoutOptions options) {
  options.alignment = 1;
  const auto [program, schedule] = lifetimes_program(blocks);
  reprise::ArenaLayout laid = reprise::layout(program, schedule, options);
  REQUIRE(laid.blocks.size() == blocks.size());
  reprise::byte_count top = 0;
  std::size_t clashes = 0;
  for (std::size_t i = 0; i < laid.blocks.size(); ++i) {
    const reprise::ArenaBlock& a = laid.blocks[i];
    top = std::max(top, a.offset + a.bytes);
    for (std::size_t j = 0; j < i; ++j) {
      const reprise::ArenaBlock& b = laid.blocks[j];
      if (a.first_action <= b.last_action && b.first_action <= a.last_action &&
          a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes) {
        ++clashes;
      }
    }
  }
  CHECK(clashes == 0);
  CHECK(laid.high_water == top);
  CHECK(laid.high_water >= laid.live_bytes);
  return laid;
}

}  // namespace reprise_test
