// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// How far a value that was encoded and decoded again may be trusted.

#include <cstdint>

namespace reprise::inline v0 {

/// What decoding promises of each element, when everything that was encoded was finite.
///
/// Ordered: what comes later promises less.
enum class Exactness : std::uint8_t {
  exact,     ///< the same bits
  unbiased,  ///< its expectation over the random stream is the element, up to what a codec states
  biased,    ///< within a bound, with an error that depends on the element alone
};

}  // namespace reprise::inline v0
