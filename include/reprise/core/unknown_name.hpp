// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The error for a name that is not in a list of names.

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <reprise/core/error.hpp>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

namespace unknown_name {

// Users write Min_Cut for min-cut.
[[nodiscard]] constexpr char folded(char c) {
  if (c == '_' || c == ' ') return '-';
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// Levenshtein's distance of the folded names: quadratic.
[[nodiscard]] inline std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (folded(a[i]) == folded(b[j]) ? 0U : 1U);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, diagonal + 1, row[j] + 1});
    }
  }
  return row.back();
}

// What is farther than a third of its length is another word; longer than any name is none.
[[nodiscard]] inline std::string nearest(std::string_view name,
                                         std::span<const std::string_view> known) {
  constexpr std::size_t longest = 64;
  std::string best;
  if (name.size() > longest) return best;
  std::size_t smallest = std::max<std::size_t>(name.size() / 3, 1);
  for (const std::string_view candidate : known) {
    const std::size_t found = distance(name, candidate);
    if (found > smallest || (found == smallest && !best.empty())) continue;
    smallest = found;
    best = candidate;
  }
  return best;
}

}  // namespace unknown_name

/// A name that none of a list of names is. The message lists them, and suggests the nearest.
class UnknownName : public InvalidArgument {
 public:
  /// @param kind  what has no such name: "planner"
  /// @param name  what was asked for
  /// @param known the names that there are, at least one
  /// @param where the message begins with it: "--planner"
  UnknownName(std::string_view kind, std::string_view name, std::span<const std::string_view> known,
              std::string_view where = {})
      : UnknownName(kind, name, known, where, unknown_name::nearest(name, known)) {}

  /// The names in a row, for people: "lru, dtr or msps".
  [[nodiscard]] static std::string listed(std::span<const std::string_view> known) {
    std::string list;
    for (std::size_t i = 0; i < known.size(); ++i) {
      if (i > 0) list += i + 1 < known.size() ? ", " : " or ";
      list += known[i];
    }
    return list;
  }

  /// What was asked for.
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  /// The known name that is nearest; empty if none is near.
  [[nodiscard]] const std::string& nearest() const noexcept { return nearest_; }
  /// The names that there are, in their order.
  [[nodiscard]] const std::vector<std::string>& known() const noexcept { return known_; }

 private:
  UnknownName(std::string_view kind, std::string_view name, std::span<const std::string_view> known,
              std::string_view where, std::string nearest)
      : InvalidArgument(std::string(where) + (where.empty() ? "" : ": ") + "there is no " +
                        std::string(kind) + " '" + std::string(name) + "'" +
                        (nearest.empty() ? "" : " (did you mean '" + nearest + "'?)") +
                        "; choose " + listed(known)),
        name_(name),
        nearest_(std::move(nearest)),
        known_(known.begin(), known.end()) {}

  std::string name_;
  std::string nearest_;
  std::vector<std::string> known_;
};

}  // namespace reprise::inline v0
