// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What happens around the actions of a pass.

#include <cstdint>
#include <functional>
#include <reprise/core/units.hpp>
#include <reprise/program/schedule.hpp>

namespace reprise::inline v0 {

/// What happens around an action, for those who watch: tests, progress displays.
struct ActionEvent {
  /// When an observer is called.
  enum class Moment : std::uint8_t {
    before,  ///< nothing of the action has run
    after,   ///< the action is done and accounted for
  };

  Moment moment;            ///< whether `action` is about to run or has run
  const Action& action;     ///< valid during the call
  byte_count during_bytes;  ///< live while it runs, of this pass alone
  byte_count live_bytes;    ///< live now, of this pass alone
};

/// Called before and after each action of a pass.
using ActionObserver = std::function<void(const ActionEvent&)>;

}  // namespace reprise::inline v0
