// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// Planners of layers, for reprise::planners.

#include <reprise/planner/impl/binomial.ipp>
#include <reprise/planner/impl/every_nth.ipp>
#include <reprise/planner/impl/gradient_threshold.ipp>
#include <reprise/planner/impl/optimal_chain.ipp>
#include <reprise/planner/impl/store_all.ipp>
