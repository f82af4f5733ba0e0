// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The payload of a simulator.

namespace reprise::inline v0 {

/// The payload of a store that only counts: it makes the store a simulator.
struct SizesOnly {};

}  // namespace reprise::inline v0
