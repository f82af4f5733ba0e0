// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Finds tensors that lie in one memory.

#include <algorithm>
#include <cstddef>
#include <functional>
#include <optional>
#include <reprise/core/tensor.hpp>
#include <vector>

namespace reprise::inline v0::running {

/// The tensors around one call, of which those that the call made must own their memory.
template <TensorLike T>
class StorageOverlap {
 public:
  /// What a tensor is to the call.
  enum class Role : std::uint8_t {
    made,   ///< by the call: shares with nothing
    given,  ///< to the call
    read,   ///< by the call
  };
  /// A tensor that was made and another one in its memory.
  struct Overlap {
    std::size_t made;   ///< the number that it was added with
    std::size_t other;  ///< likewise
    Role role;          ///< of the other
  };

  /// Forgets all tensors, and keeps its memory.
  void clear() noexcept { held_.clear(); }

  /// Adds a tensor under a number; nothing happens for a null one, or one without memory.
  void add(const T* tensor, std::size_t number, Role role) {
    if (tensor == nullptr) return;
    const void* const storage = tensor_traits<T>::storage(*tensor);
    if (storage != nullptr) held_.push_back({storage, tensor, number, role});
  }

  /// The first tensor, by its number, that was made and lies in the memory of another one than
  /// itself. Linearithmic in the tensors.
  [[nodiscard]] std::optional<Overlap> first() {
    if (held_.size() <= few && are_apart()) return std::nullopt;
    std::ranges::sort(held_, std::less<>{}, &Held::storage);
    std::optional<Overlap> found;
    for (auto begin = held_.begin(); begin != held_.end();) {
      const auto end = std::find_if(
          begin, held_.end(), [&](const Held& held) { return held.storage != begin->storage; });
      if (end - begin > 1) note(begin, end, found);
      begin = end;
    }
    return found;
  }

 private:
  struct Held {
    const void* storage;
    const T* tensor;
    std::size_t number;
    Role role;
  };
  using Iterator = typename std::vector<Held>::const_iterator;

  // So few are compared in less time than they are sorted.
  static constexpr std::size_t few = 8;

  [[nodiscard]] bool are_apart() const {
    for (auto one = held_.begin(); one != held_.end(); ++one) {
      for (auto other = held_.begin(); other != one; ++other) {
        if (one->storage == other->storage) return false;
      }
    }
    return true;
  }

  static void note(Iterator begin, Iterator end, std::optional<Overlap>& found) {
    for (auto made = begin; made != end; ++made) {
      if (made->role != Role::made || (found && found->made <= made->number)) continue;
      const auto other =
          std::find_if(begin, end, [&](const Held& held) { return held.tensor != made->tensor; });
      if (other != end) found = {made->number, other->number, other->role};
    }
  }

  std::vector<Held> held_;
};

}  // namespace reprise::inline v0::running
