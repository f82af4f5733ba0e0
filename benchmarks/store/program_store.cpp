// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// A store plays a whole schedule with a payload a value: put (a run), get (a read), drop.

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <reprise/core/units.hpp>
#include <reprise/planner/store_all.hpp>
#include <reprise/store/memory_account.hpp>
#include <reprise/store/program_store.hpp>

#include "support/chain_program.hpp"

namespace {

struct Number {
  std::uint64_t value = 0;
};

void put_get_drop(benchmark::State& state) {
  const reprise::Program program =
      reprise_bench::chain_program(static_cast<std::size_t>(state.range(0)));
  const reprise::Plan plan = reprise::StoreAll{}({.program = program});
  const auto account = std::make_shared<reprise::MemoryAccount>(reprise::unlimited_bytes);
  for (auto _ : state) {
    reprise::ProgramStore<Number> store(program, account);
    std::uint64_t sum = 0;
    for (const reprise::Action& action : plan.schedule.actions) {
      store.begin(action);
      if (action.kind == reprise::ActionKind::run) {
        const reprise::Operation& op = program.operations()[action.index];
        for (const reprise::value_id read : op.reads) sum += store.at(read).value;
        for (const reprise::value_id made : op.writes) store.at(made).value = sum;
      }
      store.commit(action);
    }
    benchmark::DoNotOptimize(sum);
  }
  state.SetItemsProcessed(state.iterations() *
                          static_cast<std::int64_t>(plan.schedule.actions.size()));
}

}  // namespace

BENCHMARK(put_get_drop)->RangeMultiplier(10)->Range(10, 10'000);
