// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// How planners that are no templates are compiled: in each source, or once.

/// What stands before a planner's functions that are defined in planner/impl/. They are part of the
/// header and inline, unless `REPRISE_SEPARATE_PLANNERS` is defined: then the library
/// `reprise::planners` has them. One program is compiled in one of the two ways throughout.
#ifdef REPRISE_SEPARATE_PLANNERS
#define REPRISE_PLANNER_DECL
#else
#define REPRISE_PLANNER_DECL inline
#endif
