// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The concept of an engine's kernels that work in an arena.

#include <reprise/core/units.hpp>
#include <reprise/program/arena_call.hpp>
#include <reprise/program/value.hpp>

namespace reprise::inline v0 {

/// A callable that runs the operation of a call.
///
/// Semantics: it reads no more than the call's inputs and the gradients that it adds to, and writes
/// all of its outputs and parts and nothing else of the arena but the scratch memory. Where an
/// output has the place of a consumed input, it reads each element before it writes there. What it
/// makes depends on nothing else but what the engine itself keeps constant within a pass, so that a
/// rerun makes the same. An engine whose kernels run later, in a stream, runs all that an
/// `ArenaPlayer` asks for in the order in which it asks.
template <class K>
concept ArenaKernels = requires(K& kernels, const ArenaCall& call) {
  kernels(call);
};

/// Kernels that set memory to zero. Called before an operation that adds in place, for each
/// gradient that it makes.
template <class K>
concept ZeroingKernels = ArenaKernels<K> && requires(K& kernels, void* place, byte_count bytes) {
  kernels.zero(place, bytes);
};

/// Kernels that add a part of a gradient to it: `sum += part`. Called after an operation that does
/// not add in place, for each of its parts, in their order.
template <class K>
concept AddingKernels = ArenaKernels<K> &&
    requires(K& kernels, value_id gradient, void* sum, const void* part) {
  kernels.add(gradient, sum, part);
};

}  // namespace reprise::inline v0
