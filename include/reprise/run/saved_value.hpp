// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What an operation on a tape saves for its backward: kept, or recomputed when backward asks for
/// it.

#include <memory>
#include <reprise/core/error.hpp>
#include <reprise/core/tensor.hpp>
#include <reprise/run/region.hpp>
#include <string>
#include <string_view>
#include <utility>

namespace reprise::inline v0 {

/// A tensor that an operation saved for its backward; made by a `Saver`, held by the tape's entry.
///
/// Saved outside any checkpoint it is kept. Saved inside one it holds nothing until `get()` runs
/// the checkpoint again, which recomputes all of the checkpoint that is still wanted: what a living
/// `SavedValue` stands for. Copies share one value; the last one's end gives it up.
template <SharedTensor T>
class SavedValue {
 public:
  SavedValue() = default;
  /// Shares what the slot holds or can recompute; made by a `Saver`.
  explicit SavedValue(std::shared_ptr<running::Slot<T>> slot) : slot_(std::move(slot)) {}

  /// The tensor, recomputed if need be; valid until the value is unloaded or given up.
  ///
  /// Records on the tape while it recomputes, and takes the tape back after that: no iterator into
  /// it may be in use.
  /// @param what names the value in messages
  /// @throws InvalidState if the value is empty, or backward is being recorded and a checkpoint
  /// would have to be differentiated twice; ReplayMismatch if the tensor was changed in place since
  /// it was saved (by its version, or its checksum where replay is verified), or the checkpoint
  /// does not repeat; what the checkpoint throws, and then nothing has changed.
  [[nodiscard]] const T& get(std::string_view what = "a value saved for backward") const {
    // The tape's entry, and this with it, may move when the rerun records.
    const std::shared_ptr<running::Slot<T>> slot = slot_;
    if (!slot) throw InvalidState(std::string(what) + " is empty, or of a checkpoint's rerun");
    if (slot->region) {
      slot->region->refuse_higher_order();
      if (!slot->tensor) slot->region->recompute();
    }
    slot->check(what);
    return *slot->tensor;
  }

  /// Gives the bytes back if the value can be recomputed; for tapes that keep their entries for
  /// another backward.
  void unload() const noexcept {
    if (slot_ && slot_->region) slot_->tensor.reset();
  }

  /// True if `get()` would run nothing.
  [[nodiscard]] bool is_present() const noexcept { return slot_ && slot_->tensor; }

 private:
  std::shared_ptr<running::Slot<T>> slot_;
};

}  // namespace reprise::inline v0
