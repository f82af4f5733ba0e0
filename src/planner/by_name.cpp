// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// All planners by their names, for reprise::planners.

#include <reprise/planner/impl/planner_by_name.ipp>
