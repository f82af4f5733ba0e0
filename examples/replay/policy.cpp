// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include "policy.hpp"

#include <algorithm>
#include <array>
#include <reprise/core/error.hpp>
#include <reprise/eviction/dtr.hpp>
#include <reprise/eviction/dtr_eq_class.hpp>
#include <reprise/eviction/dtr_local.hpp>
#include <reprise/eviction/largest.hpp>
#include <reprise/eviction/lru.hpp>
#include <reprise/eviction/msps.hpp>
#include <reprise/planner/run_online.hpp>
#include <reprise/program/ledger.hpp>
#include <utility>

namespace replay {
namespace {

using reprise::Action;
using reprise::byte_count;
using reprise::Program;

/// Keeps each value until the program itself is done with it.
Outcome store_all(const Program& program, byte_count budget, double /*most_recomputed_cost*/) {
  reprise::Ledger ledger(program);
  Outcome outcome;
  const auto play = [&](const Action& action) {
    ledger.apply(action);
    outcome.schedule.actions.push_back(action);
  };
  for (reprise::operation_id op = 0; op < program.operations().size(); ++op) {
    if (ledger.bytes_during(Action::run(op)) > budget) {
      outcome.result = Result::oom;
      break;
    }
    play(Action::run(op));
    for (const reprise::value_id value : program.operations()[op].releases) {
      play(Action::drop(value));
    }
  }
  outcome.peak_bytes = ledger.peak_bytes();
  return outcome;
}

template <reprise::EvictionPolicy P>
Outcome online(const Program& program, byte_count budget, double most_recomputed_cost) {
  reprise::OnlineRun run =
      run_online(program, P{}, {.budget = budget, .most_recomputed_cost = most_recomputed_cost});
  return {.result = run.result == reprise::OnlineRun::Result::pass            ? Result::pass
                    : run.result == reprise::OnlineRun::Result::out_of_memory ? Result::oom
                                                                              : Result::thrash,
          .schedule = std::move(run.schedule),
          .recomputed_cost = run.recomputed_cost,
          .peak_bytes = run.peak_bytes,
          .evictions = run.evictions};
}

constexpr std::array all_policies{
    Policy{"store-all", false, &store_all},
    Policy{"dtr", true, &online<reprise::Dtr>},
    Policy{"dtr-eq", true, &online<reprise::DtrEqClass>},
    Policy{"dtr-local", true, &online<reprise::DtrLocal>},
    Policy{"msps", true, &online<reprise::Msps>},
    Policy{"lru", true, &online<reprise::Lru>},
    Policy{"largest", true, &online<reprise::Largest>},
};

}  // namespace

std::string_view name_of(Result result) {
  constexpr std::array<std::string_view, 3> names{"pass", "oom", "thrash"};
  return names.at(static_cast<std::size_t>(result));
}

std::span<const Policy> policies() { return all_policies; }

std::string policy_names() {
  std::string names(all_policies.front().name);
  for (std::size_t i = 1; i < all_policies.size(); ++i) {
    names += (i + 1 < all_policies.size() ? ", " : " or ") + std::string(all_policies[i].name);
  }
  return names;
}

const Policy& policy_named(std::string_view name) {
  const auto found = std::ranges::find(all_policies, name, &Policy::name);
  if (found == all_policies.end()) {
    throw reprise::InvalidArgument("--policy: there is no policy '" + std::string(name) +
                                   "'; choose " + policy_names());
  }
  return *found;
}

}  // namespace replay
