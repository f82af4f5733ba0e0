// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What calls are priced by.

#include <reprise/program/cost/declared_time.hpp>
#include <reprise/program/cost/flops.hpp>
#include <reprise/program/cost/measured_time.hpp>
#include <reprise/program/cost/roofline.hpp>
#include <variant>

namespace reprise::inline v0 {

/// What the calls of nodes are priced by, and so what planners minimise. By default seconds: those
/// that nodes declare, measured ones for the others.
using CostModel = std::variant<MeasuredTime, DeclaredTime, Roofline, Flops>;

}  // namespace reprise::inline v0
