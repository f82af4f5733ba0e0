// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Where an operation runs.

#include <compare>
#include <cstdint>
#include <reprise/program/operation.hpp>

namespace reprise::inline v0::staged {

/// The number of a stage: stage s is all that runs just before and including program operation s;
/// the last one is what runs after all operations.
using stage_id = std::uint32_t;

/// An operation at a stage.
struct Placement {
  operation_id op;  ///< what runs
  stage_id stage;   ///< where it runs

  [[nodiscard]] friend constexpr bool operator==(const Placement&,
                                                 const Placement&) noexcept = default;
  // A comparison with 0 that the compiler writes, not we.
  // NOLINTBEGIN(modernize-use-nullptr)
  [[nodiscard]] friend constexpr auto operator<=>(const Placement&,
                                                  const Placement&) noexcept = default;
  // NOLINTEND(modernize-use-nullptr)
};

}  // namespace reprise::inline v0::staged
