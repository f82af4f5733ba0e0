// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Where the operations of a tape save what their backward needs.

#include <memory>
#include <reprise/core/tensor.hpp>
#include <reprise/run/saved_value.hpp>
#include <utility>

namespace reprise::inline v0 {

/// A tape's member through which its operations save: keeps tensors outside segments and lets go of
/// them inside.
///
/// An operation saves the same tensors in the same order each time, its inputs before it computes:
/// a rerun ends with the last value that is wanted.
template <SharedTensor T>
class Saver {
 public:
  /// Saves a tensor for backward; parameters (`is_persistent`) are kept everywhere.
  /// @throws ReplayMismatch in a segment's rerun that does not repeat; an exception of no standard
  /// type that ends a complete rerun, to be let through.
  [[nodiscard]] SavedValue<T> save(const T& tensor) const {
    if (region_ && !is_persistent(tensor)) return SavedValue<T>(region_->save(tensor));
    auto slot = std::make_shared<running::Slot<T>>();
    slot->put(tensor);
    return SavedValue<T>(std::move(slot));
  }

  /// Called by `segment`: from here on a region takes what is saved; null: it is kept.
  [[nodiscard]] std::shared_ptr<running::Region<T>> exchange(
      std::shared_ptr<running::Region<T>> region) noexcept {
    return std::exchange(region_, std::move(region));
  }

 private:
  std::shared_ptr<running::Region<T>> region_;
};

}  // namespace reprise::inline v0
