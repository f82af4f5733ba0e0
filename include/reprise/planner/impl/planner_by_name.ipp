// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <concepts>
#include <cstdio>
#include <limits>
#include <reprise/core/error.hpp>
#include <reprise/core/unknown_name.hpp>
#include <reprise/eviction/eviction_policy_by_name.hpp>
#include <reprise/planner/balanced.hpp>
#include <reprise/planner/binomial.hpp>
#include <reprise/planner/every_nth.hpp>
#include <reprise/planner/gradient_threshold.hpp>
#include <reprise/planner/local_search.hpp>
#include <reprise/planner/min_cut.hpp>
#include <reprise/planner/online.hpp>
#include <reprise/planner/optimal_chain.hpp>
#include <reprise/planner/planner_by_name.hpp>
#include <reprise/planner/recompute_all.hpp>
#include <reprise/planner/square_root.hpp>
#include <reprise/planner/store_all.hpp>
#include <reprise/threshold/median_threshold.hpp>
#include <string>
#include <system_error>
#include <utility>
#include <variant>

namespace reprise::inline v0 {

namespace named_planners {

inline constexpr std::array<std::string_view, 0> no_options{};
inline constexpr auto every_options = std::to_array<std::string_view>({"n"});
inline constexpr auto gradient_options = std::to_array<std::string_view>({"alpha"});
inline constexpr auto binomial_options = std::to_array<std::string_view>({"checkpoints"});
inline constexpr auto optimal_options =
    std::to_array<std::string_view>({"slots", "most_table_bytes", "threads"});
inline constexpr auto cut_options = std::to_array<std::string_view>({"looks_further"});
inline constexpr auto search_options =
    std::to_array<std::string_view>({"seconds", "tries", "threads", "seed"});
inline constexpr auto balanced_options = std::to_array<std::string_view>(
    {"first_seconds", "most_seconds", "share", "tries", "threads", "seed"});

template <class Options, class F>
void for_each_option(Options& options, F&& f) {
  f("n", options.n);
  f("alpha", options.alpha);
  f("checkpoints", options.checkpoints);
  f("slots", options.slots);
  f("most_table_bytes", options.most_table_bytes);
  f("looks_further", options.looks_further);
  f("seconds", options.seconds);
  f("first_seconds", options.first_seconds);
  f("most_seconds", options.most_seconds);
  f("share", options.share);
  f("tries", options.tries);
  f("threads", options.threads);
  f("seed", options.seed);
}

[[nodiscard]] inline bool has_option(const PlannerName& planner, std::string_view option) {
  return std::ranges::find(planner.options, option) != planner.options.end();
}

template <class T>
[[nodiscard]] std::string written(T value) {
  if constexpr (std::same_as<T, bool>) {
    return value ? "true" : "false";
  } else if constexpr (std::integral<T>) {
    return std::to_string(value);
  } else {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%g", value);
    return text.data();
  }
}

[[nodiscard]] inline std::string listed_options(const PlannerName& planner) {
  if (planner.options.empty()) return "it has none";
  std::string list = "it has ";
  for (std::size_t i = 0; i < planner.options.size(); ++i) {
    if (i > 0) list += i + 1 < planner.options.size() ? ", " : " and ";
    list += planner.options[i];
  }
  return list;
}

inline void check_has_all(const PlannerName& planner, std::string_view name,
                          const PlannerOptions& options) {
  for_each_option(options, [&](std::string_view option, const auto& given) {
    if (!given || has_option(planner, option)) return;
    throw InvalidArgument("planner '" + std::string(name) + "' has no option " +
                          std::string(option) + " (given as " + written(*given) +
                          "): " + listed_options(planner));
  });
}

template <class T>
void check_between(std::string_view option, const std::optional<T>& given, T least, T most) {
  if (!given || (*given >= least && *given <= most)) return;
  const std::string range =
      most == std::numeric_limits<T>::max()
          ? (std::floating_point<T> ? "finite and at least " : "at least ") + written(least)
          : "from " + written(least) + " to " + written(most);
  throw InvalidArgument("planner option " + std::string(option) + " is " + written(*given) +
                        ", which is not " + range);
}

inline void check_ranges(const PlannerOptions& options) {
  constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
  constexpr double most_seconds = 1e9;
  check_between<std::size_t>("n", options.n, 1, most);
  check_between("alpha", options.alpha, 0.0, std::numeric_limits<double>::max());
  check_between<std::size_t>("checkpoints", options.checkpoints, 1, most);
  check_between<std::uint32_t>("slots", options.slots, 1,
                               std::numeric_limits<std::uint32_t>::max());
  check_between("seconds", options.seconds, 0.0, most_seconds);
  check_between("first_seconds", options.first_seconds, 0.0, most_seconds);
  check_between("most_seconds", options.most_seconds, 0.0, most_seconds);
  check_between("share", options.share, 0.0, 1.0);
}

// The number of every-4; none of every-n, of other names and of what only looks like one.
[[nodiscard]] inline std::optional<std::size_t> number_in(std::string_view name) {
  constexpr std::string_view prefix = "every-";
  if (!name.starts_with(prefix)) return std::nullopt;
  const std::string_view digits = name.substr(prefix.size());
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (digits.empty() || digits.front() == '0' || error != std::errc{} ||
      end != digits.data() + digits.size()) {
    return std::nullopt;
  }
  return number;
}

template <Planner P>
[[nodiscard]] AnyPlanner make_plain(std::string_view, const PlannerOptions&) {
  return AnyPlanner(P{});
}

[[nodiscard]] inline AnyPlanner make_gradient(std::string_view, const PlannerOptions& options) {
  MedianThreshold threshold;
  threshold.alpha = options.alpha.value_or(threshold.alpha);
  return AnyPlanner(GradientThreshold{threshold});
}

[[nodiscard]] inline AnyPlanner make_binomial(std::string_view, const PlannerOptions& options) {
  return AnyPlanner(Binomial{.checkpoints = options.checkpoints});
}

[[nodiscard]] inline AnyPlanner make_min_cut(std::string_view, const PlannerOptions& options) {
  return AnyPlanner(
      MinCut{.looks_further = options.looks_further.value_or(MinCut{}.looks_further)});
}

[[nodiscard]] inline AnyPlanner make_every_nth(std::string_view name,
                                               const PlannerOptions& options) {
  const std::optional<std::size_t> number = number_in(name);
  if (number && options.n.value_or(*number) != *number) {
    throw InvalidArgument("planner '" + std::string(name) + "' with n = " + written(*options.n) +
                          ": the name says another number");
  }
  return AnyPlanner(EveryNth{.n = number.value_or(options.n.value_or(EveryNth{}.n))});
}

[[nodiscard]] inline AnyPlanner make_optimal(std::string_view, const PlannerOptions& options) {
  OptimalChain planner;
  planner.slots = options.slots.value_or(planner.slots);
  planner.most_table_bytes = options.most_table_bytes.value_or(planner.most_table_bytes);
  if (options.threads) planner.threads = std::max(*options.threads, 1U);
  return AnyPlanner(planner);
}

[[nodiscard]] inline AnyPlanner make_search(std::string_view, const PlannerOptions& options) {
  SearchEffort effort;
  effort.seconds = options.seconds.value_or(effort.seconds);
  effort.tries = options.tries.value_or(effort.tries);
  effort.threads = options.threads.value_or(effort.threads);
  effort.seed = options.seed.value_or(effort.seed);
  return AnyPlanner(LocalSearch{effort});
}

[[nodiscard]] inline AnyPlanner make_balanced(std::string_view, const PlannerOptions& options) {
  Balanced::Options own;
  own.share = options.share.value_or(own.share);
  own.first_seconds = options.first_seconds.value_or(own.first_seconds);
  own.most_seconds = options.most_seconds.value_or(own.most_seconds);
  own.tries = options.tries.value_or(own.tries);
  own.threads = options.threads.value_or(own.threads);
  own.seed = options.seed.value_or(own.seed);
  return AnyPlanner(Balanced{own});
}

[[nodiscard]] inline AnyPlanner make_online(std::string_view name) {
  return std::visit(
      [&]<class P>(const P& policy) {
        return AnyPlanner(Online<P>{policy, std::string(name)});
      },
      eviction_policy_by_name(name));
}

// A planner that is no eviction policy. A new one is one more entry.
struct Entry {
  PlannerName name;
  AnyPlanner (*make)(std::string_view name, const PlannerOptions& options);
};

inline constexpr auto entries = std::to_array<Entry>({
    {{"store-all", "Keeps everything: training without checkpointing.", no_options, false},
     &make_plain<StoreAll>},
    {{"recompute-all", "Keeps the outputs between layers, recomputes the rest.", no_options, false},
     &make_plain<RecomputeAll>},
    {{"every-n", "Keeps the output of every n-th layer (every-4: n = 4).", every_options, false},
     &make_every_nth},
    {{"sqrt", "As every-n, n the square root of the number of layers.", no_options, false},
     &make_plain<SquareRoot>},
    {{"gradient", "Keeps layers whose gradient is above alpha times the median.", gradient_options,
      true},
     &make_gradient},
    {{"binomial", "Optimal for uniform chains of layers, a few inputs stored (Revolve).",
      binomial_options, true},
     &make_binomial},
    {{"optimal", "Optimal for chains of layers that differ (Rotor).", optimal_options, true},
     &make_optimal},
    {{"min-cut", "Any program, by minimum cuts: good plans at once.", cut_options, true},
     &make_min_cut},
    {{"search", "Any program, by a local search: better plans for more time.", search_options,
      true},
     &make_search},
    {{"balanced", "Min-cut, and search for a small share of the training time.", balanced_options,
      true},
     &make_balanced},
});

// Those of the entries, and then the eviction policies'.
inline constexpr auto names = [] {
  std::array<PlannerName, entries.size() + eviction_policy_names().size()> all{};
  auto end = std::ranges::transform(entries, all.begin(), &Entry::name).out;
  std::ranges::transform(eviction_policy_names(), end, [](const EvictionPolicyName& policy) {
    return PlannerName{policy.name, policy.summary, no_options, true};
  });
  return all;
}();

}  // namespace named_planners

std::span<const PlannerName> planner_names() { return named_planners::names; }

const PlannerName& planner_name(std::string_view name) {
  constexpr auto& names = named_planners::names;
  const std::string_view listed = named_planners::number_in(name) ? "every-n" : name;
  const auto found = std::ranges::find(names, listed, &PlannerName::name);
  if (found != names.end()) return *found;
  std::array<std::string_view, names.size()> known;
  std::ranges::transform(names, known.begin(), &PlannerName::name);
  throw UnknownName("planner", name, known);
}

PlannerOptions options_for(std::string_view name, const PlannerOptions& options) {
  const PlannerName& planner = planner_name(name);
  PlannerOptions own = options;
  named_planners::for_each_option(own, [&](std::string_view option, auto& given) {
    if (!named_planners::has_option(planner, option)) given.reset();
  });
  return own;
}

AnyPlanner planner_by_name(std::string_view name, const PlannerOptions& options) {
  const PlannerName& planner = planner_name(name);
  named_planners::check_has_all(planner, name, options);
  named_planners::check_ranges(options);
  for (const named_planners::Entry& entry : named_planners::entries) {
    if (entry.name.name == planner.name) return entry.make(name, options);
  }
  return named_planners::make_online(name);
}

}  // namespace reprise::inline v0
