// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include "policy.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <ctime>
#include <functional>
#include <iterator>
#include <reprise/core/unknown_name.hpp>
#include <reprise/eviction/eviction_policy_by_name.hpp>
#include <reprise/planner/planner_by_name.hpp>
#include <reprise/planner/run_online.hpp>
#include <utility>
#include <variant>
#include <vector>

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

Outcome online(std::string_view name, const Task& task) {
  Deadline deadline(task.settings.replay_seconds);
  const reprise::OnlineOptions options{
      .budget = task.budget,
      .most_recomputed_cost = task.most_recomputed_cost,
      .observer = [&](const reprise::OnlineEvent& event) { deadline.note(event); }};
  try {
    reprise::OnlineRun run =
        std::visit([&](const auto& policy) { return run_online(task.program, policy, options); },
                   reprise::eviction_policy_by_name(name));
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

reprise::AnyPlanner planner_of(std::string_view name, const PolicySettings& settings) {
  const reprise::PlannerOptions options{.seconds = settings.plan_seconds,
                                        .first_seconds = settings.plan_seconds,
                                        .tries = settings.plan_tries,
                                        .threads = settings.threads};
  return reprise::planner_by_name(name, options_for(name, options));
}

Outcome planned(std::string_view name, const Task& task) {
  reprise::AnyPlanner planner = planner_of(name, task.settings);
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

// Checkpoints by a rule are of operations here, as recorded programs have no layers.
const std::vector<Policy>& all_policies() {
  static const std::vector<Policy> all = [] {
    std::vector<Policy> policies{{"store-all", false, &store_all},
                                 {"every-n", false, &every_n},
                                 {"sqrt", false, &square_root}};
    for (const auto& [name, summary] : reprise::eviction_policy_names()) {
      policies.push_back({name, true, std::bind_front(&online, name)});
    }
    for (const std::string_view name : {"min-cut", "search", "balanced"}) {
      policies.push_back({name, true, std::bind_front(&planned, name)});
    }
    return policies;
  }();
  return all;
}

std::vector<std::string_view> known_names() {
  std::vector<std::string_view> names;
  std::ranges::transform(all_policies(), std::back_inserter(names), &Policy::name);
  return names;
}

}  // namespace

std::string_view name_of(Result result) {
  constexpr std::array<std::string_view, 4> names{"pass", "oom", "thrash", "timeout"};
  return names.at(static_cast<std::size_t>(result));
}

std::span<const Policy> policies() { return all_policies(); }

std::string policy_names() { return reprise::UnknownName::listed(known_names()); }

const Policy& policy_named(std::string_view name) {
  const std::vector<Policy>& all = all_policies();
  const auto found = std::ranges::find(all, name, &Policy::name);
  if (found != all.end()) return *found;
  throw reprise::UnknownName("policy", name, known_names(), "--policy");
}

}  // namespace replay
