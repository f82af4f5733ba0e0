// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The typed errors of codecs. Each message carries the numbers that led to it.

#include <cstddef>
#include <reprise/core/error.hpp>
#include <string>

namespace reprise::inline v0 {

/// An element that is infinite or NaN, given to a codec that has no code for it. What was written
/// to the code until then means nothing; the elements are as they were.
class NotFinite : public InvalidArgument {
 public:
  /// @param codec   its name
  /// @param element the first that is not finite
  NotFinite(const std::string& codec, std::size_t element)
      : InvalidArgument(codec + ": element " + std::to_string(element) + " is not finite"),
        element_(element) {}

  /// The index of the first such element.
  [[nodiscard]] std::size_t element() const noexcept { return element_; }

 private:
  std::size_t element_;
};

/// An element that is neither of the two values that a mask has.
class NotAMask : public InvalidArgument {
 public:
  /// @param codec   its name
  /// @param element the first with a third value
  NotAMask(const std::string& codec, std::size_t element)
      : InvalidArgument(codec + ": element " + std::to_string(element) + " has a third value"),
        element_(element) {}

  /// The index of the first such element.
  [[nodiscard]] std::size_t element() const noexcept { return element_; }

 private:
  std::size_t element_;
};

/// A code whose number of bytes is not what its number of elements takes.
class WrongCodeSize : public InvalidArgument {
 public:
  /// @param codec    its name
  /// @param elements that were to be encoded or decoded
  /// @param needed_bytes what so many elements take
  /// @param given_bytes  what there was
  WrongCodeSize(const std::string& codec, std::size_t elements, std::size_t needed_bytes,
                std::size_t given_bytes)
      : InvalidArgument(codec + ": " + std::to_string(elements) + " elements take " +
                        std::to_string(needed_bytes) + " bytes, not " +
                        std::to_string(given_bytes)),
        needed_bytes_(needed_bytes),
        given_bytes_(given_bytes) {}

  /// Bytes that the elements take.
  [[nodiscard]] std::size_t needed_bytes() const noexcept { return needed_bytes_; }
  /// Bytes that there were.
  [[nodiscard]] std::size_t given_bytes() const noexcept { return given_bytes_; }

 private:
  std::size_t needed_bytes_;
  std::size_t given_bytes_;
};

}  // namespace reprise::inline v0
