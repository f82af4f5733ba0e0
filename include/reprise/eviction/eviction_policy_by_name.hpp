// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Eviction policies by their names, for users who choose one at run time.

#include <algorithm>
#include <array>
#include <cstddef>
#include <reprise/core/unknown_name.hpp>
#include <reprise/eviction/dtr.hpp>
#include <reprise/eviction/dtr_eq_class.hpp>
#include <reprise/eviction/dtr_local.hpp>
#include <reprise/eviction/largest.hpp>
#include <reprise/eviction/lru.hpp>
#include <reprise/eviction/msps.hpp>
#include <span>
#include <string_view>
#include <utility>
#include <variant>

namespace reprise::inline v0 {

/// One of the library's eviction policies; `std::visit` gives its type.
using NamedEvictionPolicy = std::variant<Dtr, DtrEqClass, DtrLocal, Msps, Lru, Largest>;

/// What an eviction policy is called, for lists of choices.
struct EvictionPolicyName {
  std::string_view name;     ///< lower case, words joined by hyphens; it never changes
  std::string_view summary;  ///< one sentence
};

namespace named_eviction_policies {

// In the order of the variant.
inline constexpr auto names = std::to_array<EvictionPolicyName>({
    {"dtr", "Evicts what is cheap to recompute, large and stale (DTR)."},
    {"dtr-eq", "DTR with approximate neighbourhoods, for large programs."},
    {"dtr-local", "DTR without neighbourhoods: the cheapest decisions."},
    {"msps", "Evicts what frees most bytes for the recomputation it causes (Capuchin)."},
    {"lru", "Evicts what was read longest ago."},
    {"largest", "Evicts the largest value."},
});
static_assert(names.size() == std::variant_size_v<NamedEvictionPolicy>);

template <std::size_t... I>
[[nodiscard]] NamedEvictionPolicy make(std::size_t index, std::index_sequence<I...>) {
  NamedEvictionPolicy policy;
  static_cast<void>(((index == I && (policy.emplace<I>(), true)) || ...));
  return policy;
}

}  // namespace named_eviction_policies

/// The names of all eviction policies of the library, each with one sentence.
[[nodiscard]] constexpr std::span<const EvictionPolicyName> eviction_policy_names() noexcept {
  return named_eviction_policies::names;
}

/// Whether an eviction policy has this name.
[[nodiscard]] constexpr bool is_eviction_policy_name(std::string_view name) noexcept {
  return std::ranges::find(eviction_policy_names(), name, &EvictionPolicyName::name) !=
         eviction_policy_names().end();
}

/// The eviction policy of a name.
///
/// Names are compared as they are written: case matters.
/// @throws UnknownName if there is no such policy
[[nodiscard]] inline NamedEvictionPolicy eviction_policy_by_name(std::string_view name) {
  constexpr auto& names = named_eviction_policies::names;
  const auto found = std::ranges::find(names, name, &EvictionPolicyName::name);
  if (found == names.end()) {
    std::array<std::string_view, names.size()> known;
    std::ranges::transform(names, known.begin(), &EvictionPolicyName::name);
    throw UnknownName("eviction policy", name, known);
  }
  return named_eviction_policies::make(static_cast<std::size_t>(found - names.begin()),
                                       std::make_index_sequence<names.size()>{});
}

}  // namespace reprise::inline v0
