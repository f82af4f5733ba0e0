// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What runs side by side.

#include <cstdint>

namespace reprise::inline v0 {

/// A sequence of operations that go one after another; those of different lanes go side by side.
enum class Lane : std::uint8_t {
  compute,    ///< nodes, the loss, encoding and decoding
  to_host,    ///< copies from the device's memory to the host's
  to_device,  ///< copies back
};

}  // namespace reprise::inline v0
