// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// Planners of any program, for reprise::planners.

#include <reprise/planner/impl/balanced.ipp>
#include <reprise/planner/impl/local_search.ipp>
#include <reprise/planner/impl/min_cut.ipp>
