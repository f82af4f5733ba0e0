// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include "report.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <reprise/core/units.hpp>
#include <reprise/report/pareto_svg.hpp>
#include <reprise/report/timeline.hpp>
#include <reprise/report/timeline_svg.hpp>
#include <vector>

#include "sweep.hpp"

namespace replay {
namespace {

using reprise::byte_count;

constexpr double infinite = std::numeric_limits<double>::infinity();

template <class... T>
std::string format(const char* pattern, T... values) {
  std::array<char, 256> text{};
  std::snprintf(text.data(), text.size(), pattern, values...);
  return text.data();
}

std::string bytes_in_full(byte_count bytes) {
  return format("%s (%llu bytes)", reprise::format_bytes(bytes).c_str(),
                static_cast<unsigned long long>(bytes));
}

/// As it was asked for, where it was.
double ratio_of(const Subject& subject, const Replay& replay) {
  if (replay.budget.ratio > 0) return replay.budget.ratio;
  return static_cast<double>(replay.budget_bytes) / static_cast<double>(subject.baseline_bytes);
}

bool has_ratio(const Subject& subject, const Replay& replay) {
  return !replay.budget.is_unlimited() && (replay.budget.ratio > 0 || subject.baseline_bytes > 0);
}

std::string overhead_or_result(const Subject& subject, const Replay& replay) {
  return replay.passed() ? format("%.4f", overhead(subject, replay.outcome.recomputed_cost))
                         : std::string(name_of(replay.outcome.result));
}

nlohmann::ordered_json json_of(const Subject& subject, const Replay& replay) {
  nlohmann::ordered_json object{
      {"program", subject.name},
      {"policy", replay.policy->name},
      {"budget_bytes", nullptr},
      {"ratio", nullptr},
      {"result", name_of(replay.outcome.result)},
      {"model_compute", static_cast<std::uint64_t>(subject.model_compute)},
      {"remat_compute", nullptr},
      {"overhead", nullptr},
      {"peak_bytes", nullptr},
      {"evictions", nullptr},
      {"seconds", replay.seconds},
      {"plan_seconds", nullptr},
      {"lower_bound", nullptr},
  };
  const bool gave_up = replay.outcome.result == Result::timeout;
  if (!gave_up) object["evictions"] = replay.outcome.evictions;
  if (!replay.budget.is_unlimited()) object["budget_bytes"] = replay.budget_bytes;
  if (has_ratio(subject, replay)) object["ratio"] = ratio_of(subject, replay);
  if (replay.outcome.plan_seconds) object["plan_seconds"] = *replay.outcome.plan_seconds;
  // That no plan fits is no number.
  const double bound = replay.outcome.lower_bound.value_or(infinite);
  if (bound < infinite) object["lower_bound"] = bound;
  if (replay.passed()) {
    object["remat_compute"] = static_cast<std::uint64_t>(replay.outcome.recomputed_cost);
    object["overhead"] = overhead(subject, replay.outcome.recomputed_cost);
    object["peak_bytes"] = replay.outcome.peak_bytes;
  }
  return object;
}

std::string text_of(const nlohmann::ordered_json& json) {
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

/// The highest bound that a replay at a ratio proved, of those with a plan.
std::optional<double> proven_at(double ratio, std::span<const Replay> replays) {
  std::optional<double> best;
  for (const Replay& replay : replays) {
    if (replay.budget.ratio != ratio || !replay.outcome.lower_bound) continue;
    best = std::max(best.value_or(0), *replay.outcome.lower_bound);
  }
  return best;
}

void print_bounds(const Subject& subject, std::span<const Replay> replays) {
  std::printf("%-12s", "at least");
  for (const double ratio : sweep_ratios) {
    const std::optional<double> bound = proven_at(ratio, replays);
    const std::string text = bound ? format("%.4f", overhead(subject, *bound)) : std::string("-");
    std::printf(" %7s", text.c_str());
  }
  std::printf("  is proven\n");
}

/// Calls f with the replays of each policy.
template <class F>
void for_each_policy(std::span<const Replay> replays, F&& f) {
  while (!replays.empty()) {
    std::size_t count = 1;
    while (count < replays.size() && replays[count].policy == replays[0].policy) ++count;
    f(replays.first(count));
    replays = replays.subspan(count);
  }
}

}  // namespace

void print_subject(const Subject& subject) {
  const reprise::Program& program = subject.recorded.program;
  std::printf("%s: %zu operations, %zu values; baseline %s, compute %.0f\n", subject.name.c_str(),
              program.operations().size(), program.values().size(),
              bytes_in_full(subject.baseline_bytes).c_str(), subject.model_compute);
}

void print_replay(const Subject& subject, const Replay& replay) {
  const auto print = [](const char* what, const std::string& value) {
    std::printf("%-14s %s\n", what, value.c_str());
  };
  print("policy", std::string(replay.policy->name));
  std::string budget =
      replay.budget.is_unlimited() ? "unlimited" : bytes_in_full(replay.budget_bytes);
  if (has_ratio(subject, replay)) {
    budget += format(", %.3g of the baseline", ratio_of(subject, replay));
  }
  print("budget", budget);
  print("result", std::string(name_of(replay.outcome.result)));
  if (!replay.outcome.why.empty()) print("because", replay.outcome.why);
  print("model compute", format("%.0f", subject.model_compute));
  if (replay.passed()) {
    print("recomputed", format("%.0f", replay.outcome.recomputed_cost));
    print("overhead", format("%.4f", overhead(subject, replay.outcome.recomputed_cost)));
    print("peak", bytes_in_full(replay.outcome.peak_bytes));
  }
  if (replay.outcome.lower_bound) {
    print("lower bound", *replay.outcome.lower_bound < infinite
                             ? format("%.0f", *replay.outcome.lower_bound)
                             : "no exact plan fits");
  }
  if (const std::optional<double> at_most = gap(replay)) {
    print("gap", format("at most %.2f %%", *at_most * 100));
  }
  if (replay.outcome.result != Result::timeout) {
    print("evictions", std::to_string(replay.outcome.evictions));
  }
  if (replay.outcome.plan_seconds) {
    print("planned in", format("%.1f ms", *replay.outcome.plan_seconds * 1e3));
  }
  print("replayed in", format("%.1f ms", replay.seconds * 1e3));
}

void print_table(const Subject& subject, std::span<const Replay> replays) {
  std::printf("\n%-12s", "overhead at");
  for (const double ratio : sweep_ratios) std::printf(" %7.1f", ratio);
  std::printf("  of the baseline\n");
  for_each_policy(replays, [&](std::span<const Replay> row) {
    std::printf("%-12s", std::string(row.front().policy->name).c_str());
    for (const Replay& replay : row) {
      std::printf(" %7s", overhead_or_result(subject, replay).c_str());
    }
    if (row.front().budget.is_unlimited()) {
      std::printf(" in %s, whatever the budget",
                  reprise::format_bytes(row.front().outcome.peak_bytes).c_str());
    }
    std::printf("\n");
  });
  print_bounds(subject, replays);
}

std::string to_json(const Subject& subject, const Replay& replay) {
  return text_of(json_of(subject, replay));
}

std::string to_json(const Subject& subject, std::span<const Replay> replays) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Replay& replay : replays) list.push_back(json_of(subject, replay));
  return text_of(list);
}

std::string draw_timeline(const Subject& subject, const Replay& replay) {
  std::string title = subject.name + " under " + std::string(replay.policy->name);
  if (replay.outcome.result == Result::oom) title += ": out of memory";
  if (replay.outcome.result == Result::thrash) title += ": thrashes";
  if (replay.outcome.result == Result::timeout) title += ": gave up";
  return timeline_svg(
      timeline(subject.recorded.program, replay.outcome.schedule),
      {.title = title, .budget = replay.budget_bytes, .cost_unit = "units of TIME"});
}

std::string draw_pareto(const Subject& subject, std::span<const Replay> replays) {
  std::vector<reprise::ParetoSeries> series;
  for_each_policy(replays, [&](std::span<const Replay> row) {
    reprise::ParetoSeries one{.name = std::string(row.front().policy->name)};
    for (const Replay& replay : row) {
      if (replay.passed()) {
        one.points.push_back(
            {replay.outcome.peak_bytes, overhead(subject, replay.outcome.recomputed_cost)});
      } else if (one.note.empty()) {
        one.note = format("not met at ratio %.1f", ratio_of(subject, replay));
      }
    }
    series.push_back(std::move(one));
  });
  return pareto_svg(series, {.title = subject.name, .baseline = subject.baseline_bytes});
}

}  // namespace replay
