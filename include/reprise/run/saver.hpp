// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Where the operations of a tape save what their backward needs.

#include <memory>
#include <reprise/core/tensor.hpp>
#include <reprise/run/region.hpp>
#include <reprise/run/saved_value.hpp>
#include <utility>

namespace reprise::inline v0 {

/// A tape's member through which its operations save: keeps tensors outside checkpoints and lets go
/// of them inside.
///
/// An operation saves the same tensors in the same order each time: what a rerun saves is matched
/// with what was saved in its place.
template <SharedTensor T>
class Saver {
 public:
  /// Saves a tensor for backward; parameters (`is_persistent`) are kept everywhere.
  /// @throws ReplayMismatch in a checkpoint's rerun that does not repeat; where the checkpoint ends
  /// early, an exception of no standard type that ends a complete rerun, to be let through.
  [[nodiscard]] SavedValue<T> save(const T& tensor) const {
    if (region_) return SavedValue<T>(region_->save(tensor));
    auto slot = std::make_shared<running::Slot<T>>();
    slot->put(tensor);
    if (verifies_replay_) slot->checksum = running::checksum_of(tensor);
    return SavedValue<T>(std::move(slot));
  }

  /// From here on each saved value has a checksum taken, inside checkpoints and outside, which is
  /// compared with what backward reads and with what a rerun saves in its place.
  void verify_replay(bool verifies) noexcept requires ChecksummableTensor<T> {
    verifies_replay_ = verifies;
  }
  /// Whether checksums are taken of all that is saved.
  [[nodiscard]] bool verifies_replay() const noexcept { return verifies_replay_; }

  /// The region that takes what is saved now; null: it is kept.
  [[nodiscard]] const std::shared_ptr<running::Region<T>>& region() const noexcept {
    return region_;
  }

  /// Called by `checkpoint`: from here on a region takes what is saved; null: it is kept.
  [[nodiscard]] std::shared_ptr<running::Region<T>> exchange(
      std::shared_ptr<running::Region<T>> region) noexcept {
    return std::exchange(region_, std::move(region));
  }

 private:
  std::shared_ptr<running::Region<T>> region_;
  bool verifies_replay_ = false;
};

}  // namespace reprise::inline v0
