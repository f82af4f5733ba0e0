// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Forgets one header and includes an optional one.

#include <reprise/core/included.hpp>
#include <reprise/core/optional.hpp>
