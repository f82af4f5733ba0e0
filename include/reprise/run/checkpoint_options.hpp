// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// How a checkpoint runs again.

namespace reprise::inline v0 {

/// How a checkpoint runs again: `checkpoint({.verify_replay = true}, f, x)`.
struct CheckpointOptions {
  /// A rerun ends as soon as the last value that backward still wants is saved; what comes after is
  /// not computed. What was saved up to there is matched with the original, what comes after is not
  /// seen. Whoever sets it answers for the function, which must
  /// - save the same tensors in the same order each time: a rerun that goes another way after the
  ///   end, or saves something extra before it of the same shape, passes;
  /// - do nothing after a save that a later run, or the engine, relies on (fill a cache, count,
  ///   leave a mode): it does not happen;
  /// - let an exception of no standard type through, which ends the rerun from inside
  ///   `Saver::save`: a handler for everything (`catch (...)`) rethrows it. One that holds it back
  ///   costs the rest of the computation, and no gradient;
  /// - be declared noexcept where it, or an operation that it calls, lets no exception out: it then
  ///   runs to its end.
  bool ends_early = false;

  /// Each value that is saved inside, in nested checkpoints too, has a checksum taken, which what a
  /// rerun saves in its place is compared with, as is what backward reads and what inputs hold when
  /// the function runs again. Costs one pass over all of them, and needs
  /// `tensor_traits::checksum`.
  bool verify_replay = false;
};

}  // namespace reprise::inline v0
