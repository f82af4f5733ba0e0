// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include "report.hpp"

#include <array>
#include <cstdint>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <reprise/core/units.hpp>
#include <reprise/report/pareto_svg.hpp>
#include <reprise/report/timeline.hpp>
#include <reprise/report/timeline_svg.hpp>
#include <vector>

#include "sweep.hpp"

namespace replay {
namespace {

using reprise::byte_count;

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
  return replay.passed() ? format("%.4f", overhead(subject, replay))
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
      {"evictions", replay.outcome.evictions},
      {"seconds", replay.seconds},
  };
  if (!replay.budget.is_unlimited()) object["budget_bytes"] = replay.budget_bytes;
  if (has_ratio(subject, replay)) object["ratio"] = ratio_of(subject, replay);
  if (replay.passed()) {
    object["remat_compute"] = static_cast<std::uint64_t>(replay.outcome.recomputed_cost);
    object["overhead"] = overhead(subject, replay);
    object["peak_bytes"] = replay.outcome.peak_bytes;
  }
  return object;
}

std::string text_of(const nlohmann::ordered_json& json) {
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
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
  print("model compute", format("%.0f", subject.model_compute));
  if (replay.passed()) {
    print("recomputed", format("%.0f", replay.outcome.recomputed_cost));
    print("overhead", format("%.4f", overhead(subject, replay)));
    print("peak", bytes_in_full(replay.outcome.peak_bytes));
  }
  print("evictions", std::to_string(replay.outcome.evictions));
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
        one.points.push_back({replay.outcome.peak_bytes, overhead(subject, replay)});
      } else if (one.note.empty()) {
        one.note = format("not met at ratio %.1f", ratio_of(subject, replay));
      }
    }
    series.push_back(std::move(one));
  });
  return pareto_svg(series, {.title = subject.name, .baseline = subject.baseline_bytes});
}

}  // namespace replay
