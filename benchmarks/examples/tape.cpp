// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// What it costs that a checkpoint's rerun runs to its end: steps of the net of examples/tape,
// plainly, in checkpoints within checkpoints whose reruns end early, and in the same that run to
// their end.

#include <benchmark/benchmark.h>

#include <cstddef>
#include <string>

#include "support/in_turn.hpp"
#include "tape/net.hpp"

namespace {

tape::Training training(tape::Mode mode, bool ends_early, std::size_t blocks) {
  return {.mode = mode,
          .steps = 2,
          .groups = 4,
          .blocks = blocks,
          .checkpoint = {.ends_early = ends_early}};
}

void tape_step(benchmark::State& state) {
  const auto blocks = static_cast<std::size_t>(state.range(0));
  const auto way = [blocks](tape::Mode mode, bool ends_early) {
    return [=] {
      benchmark::DoNotOptimize(tape::Net(training(mode, ends_early, blocks)).train().computations);
    };
  };
  reprise_bench::InTurn in_turn({{"plain", way(tape::Mode::plain, false)},
                                 {"ends_early", way(tape::Mode::checkpoints, true)},
                                 {"to_its_end", way(tape::Mode::checkpoints, false)}},
                                reprise_bench::cpu_seconds_of);
  in_turn.run(state);
  in_turn.for_each_ratio(
      [&](const std::string& name, double ratio) { state.counters[name] = ratio; });
  const auto computations = [&](tape::Mode mode, bool ends_early) {
    return static_cast<double>(tape::Net(training(mode, ends_early, blocks)).train().computations);
  };
  const double plain = computations(tape::Mode::plain, false);
  state.counters["ops_ends_early"] = computations(tape::Mode::checkpoints, true) / plain;
  state.counters["ops_to_its_end"] = computations(tape::Mode::checkpoints, false) / plain;
}

}  // namespace

BENCHMARK(tape_step)->Arg(1)->Arg(4)->Arg(16)->UseManualTime();
