// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What to keep through one instant, as an integer programme.

#include <reprise/program/program.hpp>
#include <vector>

namespace reprise::inline v0::staged {

/// The choice at one instant: keep each storage that is needed after it, or run its maker again.
///
/// Of all choices that keep no more bytes than the capacity, the one whose recomputes cost least is
/// below every plan which runs the instant's operation before all later ones, and operations that
/// are not repeatable where the program has them; other operations may be deferred. `InstantCut`
/// solves its relaxation, a price in place of the capacity.
struct InstantProgramme {
  /// Something that may be kept.
  struct Storage {
    value_id storage;    ///< the value that owns its bytes
    double bytes;        ///< that keeping it takes
    operation_id maker;  ///< which recomputes it; `no_operation` if nothing may
    bool is_there;       ///< has the instant anyway: it takes none of the capacity
    bool is_needed;      ///< after the instant, whatever is recomputed
  };
  /// An operation that may run after the instant.
  struct Recompute {
    operation_id op;  ///< of the program
    double cost;      ///< 0 if nothing needs its run before the instant
  };
  /// A recompute needs a storage of the list, kept or recomputed.
  struct Need {
    operation_id op;   ///< the recompute
    value_id storage;  ///< that it reads
  };
  /// A recompute needs another one of its own, as it consumes what that makes.
  struct Consumption {
    operation_id op;     ///< the recompute
    operation_id maker;  ///< what it needs recomputed
  };

  std::vector<Storage> storages{};      ///< that are needed after the instant, or by a recompute
  std::vector<Recompute> recomputes{};  ///< that could make one of them again
  std::vector<Need> needs{};            ///< of recomputes for storages
  std::vector<Consumption> consumptions{};  ///< of recomputes for recomputes
  double capacity = 0;                      ///< bytes; less than 0 if no choice fits
};

}  // namespace reprise::inline v0::staged
