// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// In place of a scheduler, for stores that take no plan.

namespace reprise::inline v0 {

/// Makes no plans; what `Checkpointed` has over a store that evicts.
struct NoScheduler {};

}  // namespace reprise::inline v0
