// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Planners by their names, for users who choose one at run time.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <reprise/core/units.hpp>
#include <reprise/planner/any_planner.hpp>
#include <reprise/planner/decl.hpp>
#include <span>
#include <string_view>

namespace reprise::inline v0 {

/// Options of planners that are made by name; one that is not given is the planner's default.
///
/// Each planner has a few of them, which `PlannerName::options` lists under the members' names.
struct PlannerOptions {
  std::optional<std::size_t> n{};                ///< of every-n: layers a group, at least 1
  std::optional<double> alpha{};                 ///< of gradient: the threshold over the median
  std::optional<std::size_t> checkpoints{};      ///< of binomial: inputs stored at once, at least 1
  std::optional<std::uint32_t> slots{};          ///< of optimal: of a table, at least 1
  std::optional<byte_count> most_table_bytes{};  ///< of optimal: the largest table
  std::optional<bool> looks_further{};           ///< of min-cut: also at further instants
  std::optional<double> seconds{};               ///< of search: of each plan, from 0
  std::optional<double> first_seconds{};         ///< of balanced: of the first search, from 0
  std::optional<double> most_seconds{};          ///< of balanced: of one search, from 0
  std::optional<double> share{};                 ///< of balanced: of the training time, in [0, 1]
  std::optional<std::uint64_t> tries{};  ///< of search and balanced: if not 0, instead of any time
  std::optional<unsigned> threads{};     ///< of search, balanced and optimal: side by side
  std::optional<std::uint64_t> seed{};   ///< of search and balanced: of their random choices
};

/// What a planner is called, for lists of choices.
struct PlannerName {
  std::string_view name;     ///< lower case, words joined by hyphens; it never changes
  std::string_view summary;  ///< one sentence
  std::span<const std::string_view> options;  ///< the members of `PlannerOptions` that it has
  /// Whether it keeps less where the budget is smaller; the others have one plan for any budget.
  bool adapts_to_budget;
};

/// The names of all planners, each with one sentence: the library's planners, and those of
/// `eviction_policy_names`, each of which is `Online` with that policy.
[[nodiscard]] REPRISE_PLANNER_DECL std::span<const PlannerName> planner_names();

/// The entry of a name in `planner_names`; of `every-4` that of `every-n`.
/// @throws UnknownName if there is no such planner
[[nodiscard]] REPRISE_PLANNER_DECL const PlannerName& planner_name(std::string_view name);

/// Those of the options that the planner of this name has, for a tool that gives one set of options
/// to several planners.
/// @throws UnknownName if there is no such planner
[[nodiscard]] REPRISE_PLANNER_DECL PlannerOptions options_for(std::string_view name,
                                                              const PlannerOptions& options);

/// The planner of a name, which plans just as one that is made from its type.
///
/// Names are compared as they are written: case matters. `every-4` is short for `every-n` with
/// n = 4, and likewise any other number.
/// @throws UnknownName if there is no such planner; InvalidArgument for an option that this planner
///   does not have, or outside of the range above. All but UnknownName name the value.
[[nodiscard]] REPRISE_PLANNER_DECL AnyPlanner planner_by_name(std::string_view name,
                                                              const PlannerOptions& options = {});

}  // namespace reprise::inline v0

#ifndef REPRISE_SEPARATE_PLANNERS
#include <reprise/planner/impl/planner_by_name.ipp>
#endif
