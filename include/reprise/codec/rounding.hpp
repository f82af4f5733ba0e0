// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// How a number between two codes finds one.

#include <cstdint>

namespace reprise::inline v0 {

/// How a number between two codes finds one.
enum class Rounding : std::uint8_t {
  stochastic,  ///< to either, the nearer the likelier, so that the expectation is the number
  nearest,     ///< to the nearer: half the mean squared error, all of it systematic
};

}  // namespace reprise::inline v0
