// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Costs in FLOPs.

namespace reprise::inline v0 {

/// The cost of a call is the FLOPs that its node declares (`NodeCosts::forward_flops`); of a
/// backward that declares none, twice its forward's. Every node declares its forward's.
///
/// FLOPs are the same on every machine. They are no time: an element-wise node takes far longer
/// than its FLOPs say.
struct Flops {};

}  // namespace reprise::inline v0
