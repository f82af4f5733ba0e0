// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The policies that a program can be replayed under, by their names on the command line.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <reprise/core/units.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/schedule.hpp>
#include <span>
#include <string>
#include <string_view>

namespace replay {

/// What a user may say about how policies work.
struct PolicySettings {
  std::optional<double> plan_seconds{};  ///< of a search; if not given, what is usual for it
  std::uint64_t plan_tries = 0;          ///< if not 0: of a search, instead of any time
  unsigned threads = 1;                  ///< of a search
  std::size_t every = 4;                 ///< operations a group
  double replay_seconds = 120;           ///< of processor time, for an online policy
};

/// What a policy is asked.
struct Task {
  const reprise::Program& program;
  reprise::byte_count budget = reprise::unlimited_bytes;
  double most_recomputed_cost = 0;  ///< beyond this it thrashes
  PolicySettings settings{};
};

/// How a replay ended.
enum class Result : std::uint8_t {
  pass,
  oom,      ///< nothing was left to evict, or no plan was found, and still it did not fit
  thrash,   ///< it recomputed more than the program's own compute
  timeout,  ///< it took longer than it may, and where it would have ended is not known
};

[[nodiscard]] std::string_view name_of(Result result);

/// What a policy made of a program.
struct Outcome {
  Result result = Result::pass;
  reprise::Schedule schedule{};  ///< up to where it failed
  double recomputed_cost = 0;
  reprise::byte_count peak_bytes = 0;
  std::uint64_t evictions = 0;  ///< of a plan: storages that it makes again; not if it gave up
  std::optional<double> plan_seconds{};  ///< that it took to plan, if it plans
  std::optional<double> lower_bound{};   ///< no exact plan recomputes for less, where it is proven
  std::string why{};                     ///< it failed, if there is more to say; one line
};

/// Who decides what is evicted.
struct Policy {
  std::string_view name;
  bool adapts_to_budget;  ///< evicts more if there is less
  std::function<Outcome(const Task& task)> replay;
};

/// All of them: checkpoints by a rule, all eviction policies, and planners of whole programs.
[[nodiscard]] std::span<const Policy> policies();

/// "store-all, dtr or lru", for messages.
[[nodiscard]] std::string policy_names();

/// @throws reprise::UnknownName if there is no such policy.
[[nodiscard]] const Policy& policy_named(std::string_view name);

}  // namespace replay
