// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Knows a payload again when it was made anew, or is read again.

#include <cstdint>
#include <optional>
#include <reprise/core/hash.hpp>
#include <reprise/core/tensor.hpp>
#include <reprise/core/tensor_check.hpp>
#include <string>

namespace reprise::inline v0::storing {

/// What a store can tell of a payload that is no tensor: nothing, so that nothing is ever refused.
template <class Payload>
class ReplayCheck {
  static_assert(tensor_check::check_payload<Payload>());

 public:
  /// Of a value, when an operation made it.
  struct Made {};
  /// Of an input, when an operation read it.
  struct Read {};

  /// Whether inputs are compared at all.
  static constexpr bool looks_at_inputs() noexcept { return false; }

  /// @param with_content has no meaning here
  explicit ReplayCheck(bool with_content) noexcept { static_cast<void>(with_content); }

  /// Notes a value that was made for the first time.
  [[nodiscard]] Made made(const Payload&) const noexcept { return {}; }
  /// Notes a value that was recomputed.
  void made_again(const Payload&, Made&) const noexcept {}
  /// What differs from the original, or nothing.
  [[nodiscard]] std::optional<std::string> difference(const Payload&, const Made&) const noexcept {
    return std::nullopt;
  }
  /// Notes an input at the moment of reading.
  [[nodiscard]] Read read(const Payload&, const Made&) const noexcept { return {}; }
  /// Whether two readings found the same.
  [[nodiscard]] bool are_equal(const Read&, const Read&) const noexcept { return true; }
  /// Whether the payload was changed after it was made.
  [[nodiscard]] bool has_changed(const Payload&, const Made&) const noexcept { return false; }
};

/// Notes shape and bytes of tensors, versions where the traits have them, and content on request.
template <TensorLike T>
class ReplayCheck<T> {
  static_assert(tensor_check::check_payload<T>());

 public:
  /// Of a value, when an operation made it.
  struct Made {
    byte_count bytes = 0;
    std::uint64_t signature = 0;
    std::uint64_t checksum = 0;
    std::uint64_t version = 0;  ///< of the tensor that is there now
  };
  /// Of an input, when an operation read it.
  struct Read {
    std::uint64_t changes = 0;  ///< in place, since it was made
    std::uint64_t checksum = 0;
  };

  /// @param with_content whether checksums are taken, where the tensor has them
  explicit ReplayCheck(bool with_content) noexcept
      : with_content_(with_content && ChecksummableTensor<T>) {}

  /// Whether inputs are compared at all.
  [[nodiscard]] bool looks_at_inputs() const noexcept { return has_version || with_content_; }

  /// Notes a value that was made for the first time.
  [[nodiscard]] Made made(const T& tensor) const {
    return {tensor_traits<T>::bytes(tensor), shape_signature(tensor), checksum(tensor),
            version_of(tensor)};
  }
  /// Notes a value that was recomputed.
  void made_again(const T& tensor, Made& original) const { original.version = version_of(tensor); }

  /// What differs from the original, or nothing.
  [[nodiscard]] std::optional<std::string> difference(const T& tensor, const Made& original) const {
    const Made now = made(tensor);
    if (now.bytes != original.bytes) {
      return "took " + std::to_string(original.bytes) + " bytes and now takes " +
             std::to_string(now.bytes);
    }
    if (now.signature != original.signature) return "has another shape";
    if (now.checksum != original.checksum) return "has another content";
    return std::nullopt;
  }

  /// Notes an input at the moment of reading.
  [[nodiscard]] Read read(const T& tensor, const Made& original) const {
    return {version_of(tensor) - original.version, checksum(tensor)};
  }
  /// Whether two readings found the same.
  [[nodiscard]] bool are_equal(const Read& a, const Read& b) const noexcept {
    return a.changes == b.changes && a.checksum == b.checksum;
  }
  /// Whether the payload was changed after it was made.
  [[nodiscard]] bool has_changed(const T& tensor, const Made& original) const {
    return version_of(tensor) != original.version || checksum(tensor) != original.checksum;
  }

 private:
  static constexpr bool has_version = VersionedTensor<T>;

  [[nodiscard]] std::uint64_t checksum([[maybe_unused]] const T& tensor) const {
    if constexpr (ChecksummableTensor<T>) {
      if (with_content_) return tensor_traits<T>::checksum(tensor);
    }
    return 0;
  }

  bool with_content_;
};

}  // namespace reprise::inline v0::storing
