// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// In what other way a value can be kept.

#include <cstdint>
#include <optional>
#include <reprise/codec/exactness.hpp>
#include <reprise/core/units.hpp>
#include <vector>

namespace reprise::inline v0 {

/// Where bytes lie.
enum class Memory : std::uint8_t {
  device,  ///< where nodes compute, and what a budget is of
  host,    ///< beside it: bytes that are copied there and back
};

/// One way to restore what a form stands for.
struct Restoration {
  double cost = 0;                 ///< in the program's unit
  byte_count transient_bytes = 0;  ///< beyond what is restored
};

/// A form in which a value can be kept: all that a planner knows of a codec or of a mover.
///
/// In the device's memory it is encoded and decoded, in the host's offloaded and fetched.
struct FormOption {
  byte_count bytes = 0;                    ///< of the form
  Memory memory = Memory::device;          ///< where it lies
  double cost = 0;                         ///< of making it, in the program's unit
  byte_count transient_bytes = 0;          ///< beyond the form, while it is made
  Exactness exactness = Exactness::exact;  ///< what is restored
  double variance = 0;                     ///< that it adds to the gradient's; 0 of an exact one
  std::optional<byte_count> restored_bytes{};  ///< empty: the value's; a view's: its storage's
  std::vector<Restoration> restorations{{}};   ///< one at least; a read names its own

  /// Whether what is restored has the value's bits.
  [[nodiscard]] bool is_exact() const noexcept { return exactness == Exactness::exact; }
};

}  // namespace reprise::inline v0
