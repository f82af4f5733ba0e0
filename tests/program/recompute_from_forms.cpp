// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <reprise/core/error.hpp>
#include <reprise/planner/min_cut.hpp>
#include <reprise/program/explain.hpp>
#include <reprise/program/forms/overlap_transfers.hpp>
#include <reprise/program/forms/recompute_from_forms.hpp>
#include <reprise/program/forms/with_forms.hpp>
#include <reprise/program/json.hpp>
#include <reprise/program/layout.hpp>
#include <reprise/program/ledger.hpp>
#include <reprise/program/schedule_from_saved.hpp>
#include <reprise/program/simulate.hpp>
#include <string>
#include <vector>

#include "support/cases.hpp"
#include "support/seed.hpp"
#include "support/wild_forms.hpp"

namespace {

using reprise::Action;
using reprise::byte_count;
using reprise::OperationKind;
using reprise::Program;
using reprise::Schedule;
using reprise::Simulation;

// A chain of nodes whose backward reads their output; that of node 4 is offloaded.
reprise::FormedProgram chain_with_a_copy(std::uint32_t nodes, double copy_cost) {
  std::vector<reprise::Value> values;
  std::vector<reprise::Operation> operations;
  for (std::uint32_t n = 0; n < nodes; ++n) {
    values.push_back({.node = n, .bytes = 100});
    reprise::Operation op{.node = n, .layer = n, .writes = {n}, .cost = 10, .repeatable = true};
    if (n > 0) op.reads = {n - 1};
    operations.push_back(op);
  }
  std::uint32_t gradient = nodes;
  values.push_back({.kind = reprise::ValueKind::gradient, .node = nodes - 1, .bytes = 1});
  operations.push_back({.kind = OperationKind::loss, .reads = {nodes - 1}, .writes = {gradient}});
  for (std::uint32_t n = nodes; n-- > 0;) {
    reprise::Operation op{
        .kind = OperationKind::backward, .node = n, .layer = n, .reads = {gradient, n}, .cost = 20};
    if (n > 0) {
      values.push_back({.kind = reprise::ValueKind::gradient, .node = n - 1, .bytes = 1});
      op.writes = {++gradient};
    }
    operations.push_back(op);
  }
  const Program plain(values, operations, nodes, nodes, false);
  const std::vector<reprise::FormChoice> copy{{.value = 4,
                                               .option = {.bytes = 100,
                                                          .memory = reprise::Memory::host,
                                                          .cost = copy_cost,
                                                          .restorations = {{.cost = copy_cost}}}}};
  return reprise::with_forms(plain, copy);
}

// Nothing but the copy survives the forward pass.
Schedule keep_the_copy(const reprise::FormedProgram& formed) {
  reprise::SavedSet saved(formed.program.values().size(), 0);
  saved[formed.forms[0].form] = 1;
  return reprise::schedule_from_saved(formed.program, saved);
}

bool restores(const Schedule& schedule) {
  return std::ranges::any_of(schedule.actions, &Action::restores_original);
}

}  // namespace

TEST_CASE("a recomputation starts from what was offloaded") {
  const reprise::FormedProgram formed = chain_with_a_copy(8, 3);
  const Schedule planned = keep_the_copy(formed);
  const Simulation before = reprise::simulate(formed.program, planned);
  CHECK(before.recomputed_cost == 10 * 8);  // all of them, from the first
  const Schedule restored = reprise::recompute_from_forms(formed.program, planned);
  const Simulation after = reprise::simulate(formed.program, restored);
  CHECK(restores(restored));
  CHECK(after.recomputed_cost < before.recomputed_cost);
  CHECK(after.peak_bytes <= before.peak_bytes);
  CHECK(after.boundary_bytes <= before.boundary_bytes);
  CHECK(reprise::schedule_from_json(reprise::schedule_to_json(formed.program, restored),
                                    formed.program) == restored);
  CHECK(reprise::explain(formed.program, restored, 4).find("recomputed by fetch for node 4") !=
        std::string::npos);
  CHECK(reprise::layout(formed.program, restored).high_water >= after.peak_bytes);
}

TEST_CASE("a copy that is dearer than what it saves is left where it is") {
  const reprise::FormedProgram formed = chain_with_a_copy(8, 1000);
  const Schedule planned = keep_the_copy(formed);
  CHECK(reprise::recompute_from_forms(formed.program, planned) == planned);
}

TEST_CASE("an original is restored only where it is gone, and from what is exact and there") {
  const reprise::FormedProgram formed = chain_with_a_copy(6, 1);
  const Program& program = formed.program;
  const reprise::MadeForm& made = formed.forms[0];
  reprise::Ledger ledger(program);
  const auto refusal = [&](const Action& action) {
    try {
      static_cast<void>(ledger.bytes_during(action));
    } catch (const reprise::InvalidSchedule& refused) {
      return std::string(refused.what());
    }
    return std::string("nothing is refused");
  };
  for (reprise::operation_id op = 0; op <= 4; ++op) ledger.apply(Action::run(op));
  CHECK(refusal(Action::restore(99)) == "restore of operation 99, which is not in the program");
  CHECK(refusal(Action::restore(0)) == "forward of node 0 is to restore a value, and does not");
  CHECK(refusal(Action::restore(made.restorers[0])) ==
        "fetch for node 4 reads what is absent: form of output 0 of node 4");
  ledger.apply(Action::run(formed.operation_of[5]));
  ledger.apply(Action::run(made.maker));
  CHECK(refusal(Action::restore(made.restorers[0])) ==
        "fetch for node 4 would restore what is present: output 0 of node 4");
  ledger.apply(Action::drop(4));
  const byte_count live = ledger.live_bytes();
  CHECK(ledger.bytes_during(Action::restore(made.restorers[0])) == live + 100);
  ledger.apply(Action::restore(made.restorers[0]));
  CHECK(ledger.live_bytes() == live + 100);
  CHECK(ledger.is_present(4));
  CHECK_FALSE(ledger.has_run(made.restorers[0]));
}

TEST_CASE("random schedules: valid, for less, within the same bytes") {
  REPRISE_SEEDED(random);
  std::size_t changed = 0;
  for (std::size_t i = 0; i < reprise_test::cases(600); ++i) {
    CAPTURE(i);
    const Program program = reprise_test::wild_forms(random, {.has_views = i % 3 != 0});
    for (std::uint64_t n = 0; n < 6; ++n) {
      reprise::SavedSet set(program.values().size());
      for (auto& flag : set) flag = static_cast<std::uint8_t>(n == 0 ? 0 : random() % 2);
      for (reprise::value_id v = 0; v < set.size(); ++v) {
        if (program.values()[v].kind == reprise::ValueKind::form) set[v] = 1;
      }
      const Schedule planned = reprise::schedule_from_saved(program, set);
      const Schedule restored = reprise::recompute_from_forms(program, planned);
      const Simulation before = reprise::simulate(program, planned);
      const Simulation after = reprise::simulate(program, restored);
      CHECK(after.recomputed_cost <= before.recomputed_cost);
      CHECK(after.boundary_bytes <= before.boundary_bytes);
      changed += restores(restored) ? 1 : 0;
      CHECK(reprise::simulate(program, reprise::overlap_transfers(program, restored)).seconds <=
            after.seconds);
      CHECK(reprise::layout(program, restored, {.alignment = 1, .tries = 2}).high_water >=
            reprise::layout(program, restored, {.alignment = 1, .tries = 2}).live_bytes);
    }
  }
  CHECK(changed > 0);
}
