// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Schedules that recompute on demand, as starts of searches.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <reprise/core/units.hpp>
#include <reprise/planner/on_demand_player.hpp>
#include <reprise/planner/search_watch.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/schedule.hpp>
#include <reprise/program/simulate.hpp>
#include <span>
#include <utility>

namespace reprise::inline v0::staged {

/// What `OnDemandPlayer` finds by several rules, the cheapest of each budget.
class OnDemandSeeds {
  // Those that succeed most often first.
  static constexpr std::array<OnDemandRule, 7> rules{{{},
                                                      {.bytes_power = 0.5},
                                                      {.bytes_power = 0.5, .level_power = 0.5},
                                                      {.level_power = 1},
                                                      {.bytes_power = 1, .level_power = 1},
                                                      {.level_power = 0.5},
                                                      {.bytes_power = 0.5, .level_power = 1}}};

 public:
  /// A schedule, and what it needs and recomputes.
  struct Seed {
    Schedule schedule;
    byte_count peak_bytes;
    double cost;
  };

  /// @param program must outlive this
  OnDemandSeeds(const Program& program, std::uint32_t most_runs)
      : program_(program), player_(program), most_runs_(most_runs) {}

  /// The cheapest within a budget; what the limit ends finds no more.
  /// @param count so many rules at most are tried
  [[nodiscard]] std::optional<Seed> at(byte_count budget, OnDemandLimit& limit,
                                       std::size_t count = rules.size()) const {
    std::optional<Seed> best;
    std::uint64_t most_work = work_of_one();
    for (const OnDemandRule& rule : std::span(rules).first(count)) {
      const std::uint64_t before = limit.work;
      const double most_cost = best ? best->cost : std::numeric_limits<double>::infinity();
      const std::optional<Schedule> schedule = play(budget, rule, limit, most_work, most_cost);
      if (schedule) {
        // What takes far longer than another one hardly ever comes to a schedule.
        most_work = std::min(most_work, 2 * (before - limit.work));
        const Simulation played = simulate(program_, *schedule);
        if (!best || played.recomputed_cost < best->cost) {
          best = Seed{.schedule = *schedule,
                      .peak_bytes = played.peak_bytes,
                      .cost = played.recomputed_cost};
        }
      }
      if (limit.tally.is_cut_short) break;
    }
    return best;
  }

  /// That of a larger budget that is nearly the first that has one, to four times as much.
  [[nodiscard]] std::optional<Seed> next_above(byte_count bytes, OnDemandLimit& limit) const {
    std::optional<Seed> found;
    double fails = 1;
    double works = 0;
    const auto look_at = [&](double share) {
      const auto budget = static_cast<byte_count>(std::ceil(share * static_cast<double>(bytes)));
      std::optional<Seed> seed = at(budget, limit, rules_above);
      if (!seed) {
        fails = share;
        return false;
      }
      works = static_cast<double>(seed->peak_bytes) / static_cast<double>(bytes);
      found = std::move(seed);
      return true;
    };
    for (const double share : row) {
      if (limit.tally.is_cut_short) return std::nullopt;
      if (look_at(share)) break;
    }
    for (int i = 0; i < halvings && found && !limit.tally.is_cut_short; ++i) {
      look_at((fails + works) / 2);
    }
    return found;
  }

 private:
  [[nodiscard]] std::uint64_t work_of_one() const {
    constexpr std::uint64_t fewest = std::uint64_t{1} << 20U;
    constexpr std::uint64_t for_each_operation = 5000;
    return fewest + for_each_operation * program_.operations().size();
  }

  // Ends early without the end of all.
  [[nodiscard]] std::optional<Schedule> play(byte_count budget, const OnDemandRule& rule,
                                             OnDemandLimit& limit, std::uint64_t most_work,
                                             double most_cost) const {
    const std::uint64_t all = limit.work;
    limit.work = std::min(all, most_work);
    const std::uint64_t given = limit.work;
    std::optional<Schedule> schedule;
    try {
      schedule = player_.play(budget, rule, most_runs_, limit, most_cost);
    } catch (const TimeIsUp&) {
      ++limit.tally.by_work;
      limit.work = 0;
    }
    limit.work = all - (given - limit.work);
    limit.tally.is_cut_short = limit.work == 0 || limit.watch.is_over();
    return schedule;
  }

  static constexpr std::size_t rules_above = 4;  ///< that are tried for larger budgets
  static constexpr std::array row{1.05, 1.12, 1.25, 1.5, 2.0, 3.0, 4.0};
  static constexpr int halvings = 2;
  const Program& program_;
  OnDemandPlayer player_;
  std::uint32_t most_runs_;
};

}  // namespace reprise::inline v0::staged
