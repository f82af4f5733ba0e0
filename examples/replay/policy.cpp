// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include "policy.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <ctime>
#include <reprise/core/error.hpp>
#include <reprise/eviction/dtr.hpp>
#include <reprise/eviction/dtr_eq_class.hpp>
#include <reprise/eviction/dtr_local.hpp>
#include <reprise/eviction/largest.hpp>
#include <reprise/eviction/lru.hpp>
#include <reprise/eviction/msps.hpp>
#include <reprise/planner/balanced.hpp>
#include <reprise/planner/local_search.hpp>
#include <reprise/planner/min_cut.hpp>
#include <reprise/planner/planner.hpp>
#include <reprise/planner/run_online.hpp>
#include <utility>

#include "play.hpp"
#include "static_schedules.hpp"

namespace replay {
namespace {

Outcome store_all(const Task& task) { return play(task, keep_everything(task.program)); }

Outcome every_n(const Task& task) {
  return play(task, checkpoint_groups(task.program, task.settings.every));
}

Outcome square_root(const Task& task) {
  return play(task, checkpoint_groups(task.program, square_root_group(task.program)));
}

/// Ends a run that takes too much of the processor's time, which does not depend on who else wants
/// it.
class Deadline {
 public:
  struct Passed {};

  explicit Deadline(double seconds) : seconds_(seconds) {}

  /// @throws Passed
  void note(const reprise::OnlineEvent& event) {
    if (event.kind == reprise::OnlineEvent::Kind::drop) return;
    if (event.kind == reprise::OnlineEvent::Kind::run) ++operations_;
    const clock::time_point now = clock::now();
    if (now < next_look_) return;
    next_look_ = now + pause;
    if (processor_seconds() - begin_ >= seconds_) throw Passed{};
  }

  [[nodiscard]] std::string what(const reprise::Program& program) const {
    return "it gave up after " + std::to_string(operations_) + " of " +
           std::to_string(program.operations().size()) +
           " operations: --replay-seconds allows it more time";
  }

 private:
  using clock = std::chrono::steady_clock;
  // Asking for the processor's time takes longer than many an event.
  static constexpr std::chrono::milliseconds pause{10};

  static double processor_seconds() {
    return static_cast<double>(std::clock()) / static_cast<double>(CLOCKS_PER_SEC);
  }

  double seconds_;
  double begin_ = processor_seconds();
  clock::time_point next_look_{};
  std::size_t operations_ = 0;
};

template <reprise::EvictionPolicy P>
Outcome online(const Task& task) {
  Deadline deadline(task.settings.replay_seconds);
  try {
    reprise::OnlineRun run =
        run_online(task.program, P{},
                   {.budget = task.budget,
                    .most_recomputed_cost = task.most_recomputed_cost,
                    .observer = [&](const reprise::OnlineEvent& event) { deadline.note(event); }});
    return {.result = run.result == reprise::OnlineRun::Result::pass            ? Result::pass
                      : run.result == reprise::OnlineRun::Result::out_of_memory ? Result::oom
                                                                                : Result::thrash,
            .schedule = std::move(run.schedule),
            .recomputed_cost = run.recomputed_cost,
            .peak_bytes = run.peak_bytes,
            .evictions = run.evictions};
  } catch (const Deadline::Passed&) {
    return {.result = Result::timeout, .why = deadline.what(task.program)};
  }
}

std::optional<double> proven_by(const reprise::Plan& plan) {
  const bool is_proof = plan.lower_bound_cost > 0 || plan.recomputed_cost == 0;
  return is_proof ? std::optional(plan.lower_bound_cost) : std::nullopt;
}

template <reprise::Planner P>
Outcome planned(const Task& task, P planner) {
  const auto begin = std::chrono::steady_clock::now();
  const auto passed = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  try {
    const reprise::Plan plan = planner({.program = task.program, .budget = task.budget});
    const double seconds = passed();
    Outcome outcome = play(task, plan.schedule);
    outcome.plan_seconds = seconds;
    outcome.lower_bound = proven_by(plan);
    return outcome;
  } catch (const reprise::BudgetInfeasible& refused) {
    // What it would have come to without a plan.
    Outcome outcome = play(task, keep_everything(task.program));
    outcome.result = Result::oom;
    outcome.plan_seconds = passed();
    outcome.why = refused.what();
    return outcome;
  }
}

Outcome min_cut(const Task& task) { return planned(task, reprise::MinCut{}); }

Outcome search(const Task& task) {
  reprise::SearchEffort effort{.tries = task.settings.plan_tries, .threads = task.settings.threads};
  effort.seconds = task.settings.plan_seconds.value_or(effort.seconds);
  return planned(task, reprise::LocalSearch{effort});
}

Outcome balanced(const Task& task) {
  reprise::Balanced::Options options{.tries = task.settings.plan_tries,
                                     .threads = task.settings.threads};
  options.first_seconds = task.settings.plan_seconds.value_or(options.first_seconds);
  return planned(task, reprise::Balanced{options});
}

constexpr std::array all_policies{
    Policy{"store-all", false, &store_all},
    Policy{"every-n", false, &every_n},
    Policy{"sqrt", false, &square_root},
    Policy{"dtr", true, &online<reprise::Dtr>},
    Policy{"dtr-eq", true, &online<reprise::DtrEqClass>},
    Policy{"dtr-local", true, &online<reprise::DtrLocal>},
    Policy{"msps", true, &online<reprise::Msps>},
    Policy{"lru", true, &online<reprise::Lru>},
    Policy{"largest", true, &online<reprise::Largest>},
    Policy{"min-cut", true, &min_cut},
    Policy{"search", true, &search},
    Policy{"balanced", true, &balanced},
};

}  // namespace

std::string_view name_of(Result result) {
  constexpr std::array<std::string_view, 4> names{"pass", "oom", "thrash", "timeout"};
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
