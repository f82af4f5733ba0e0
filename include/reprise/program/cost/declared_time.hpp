// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Costs in seconds that the engine declares.

namespace reprise::inline v0 {

/// The cost of a call is the seconds that its node declares (`NodeCosts::forward_seconds`), or that
/// the profile which the graph gives says; of a backward that declares none, twice its forward's.
/// Every node declares its forward's. Nothing is measured.
struct DeclaredTime {};

}  // namespace reprise::inline v0
