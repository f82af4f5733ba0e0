// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What Reprise asks of an engine's tensor.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <reprise/core/error.hpp>
#include <reprise/core/hash.hpp>
#include <reprise/core/units.hpp>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// The customisation point that makes an engine's tensor `TensorLike`; specialise it.
///
/// Required static members:
/// - `bytes(const T&)`: the bytes that the tensor requested from its allocator, 0 when empty; for a
///   view, the bytes of the part that it shows.
/// - `storage(const T&)`: the identity of its memory, equal for tensors that share it, null when
///   empty; it does not change when the tensor is moved.
/// - `accumulate(T& into, const T& part)`: adds `part` to `into`, element by element, in place.
///
/// Optional static members:
/// - `is_persistent(const T&)`: true for parameters, which the budget does not count.
/// - `checksum(const T&)`: a hash of shape and elements, for replay verification.
/// - `signature(const T&)`: a hash of shape and element type, for plans kept by shape; without it
///   the bytes stand for the shape.
/// - `elements(const T&)`: how many elements it has; a gradient must have as many as the tensor
///   that it is the gradient of.
/// - `version(const T&)`: a number that each change in place advances, for finding what was changed
///   between its use in forward and its use in backward. It belongs to the memory: tensors that
///   share memory have one, and it starts from the same number in memory newly allocated. Never
///   asked of an empty tensor.
template <class T>
struct tensor_traits;

/// `tensor_traits<T>::bytes(tensor)` gives the requested bytes.
template <class T>
concept HasBytes = requires(const T& tensor) {
  { tensor_traits<T>::bytes(tensor) } -> std::convertible_to<byte_count>;
};

/// `tensor_traits<T>::storage(tensor)` gives the identity of the memory.
template <class T>
concept HasStorage = requires(const T& tensor) {
  { tensor_traits<T>::storage(tensor) } -> std::convertible_to<const void*>;
};

/// `tensor_traits<T>::accumulate(into, part)` adds in place.
template <class T>
concept HasAccumulate = requires(T& into, const T& part) {
  tensor_traits<T>::accumulate(into, part);
};

/// An engine's tensor: a movable, default-constructible handle with a `tensor_traits`.
///
/// Semantics: a default-constructed tensor and a moved-from one that was assigned `T{}` hold no
/// memory; destroying the last handle of a storage gives its bytes back.
template <class T>
concept TensorLike = std::movable<T> && std::default_initializable<T> && HasBytes<T> &&
    HasStorage<T> && HasAccumulate<T>;

/// The tensor can be compared with a checksum of its original.
template <class T>
concept ChecksummableTensor = TensorLike<T> && requires(const T& tensor) {
  { tensor_traits<T>::checksum(tensor) } -> std::convertible_to<std::uint64_t>;
};

/// `tensor_traits<T>::elements(tensor)` counts the elements.
template <class T>
concept CountsElements = requires(const T& tensor) {
  { tensor_traits<T>::elements(tensor) } -> std::convertible_to<std::size_t>;
};

/// True for parameters: bytes that the engine keeps anyway. False where the traits do not say.
template <TensorLike T>
[[nodiscard]] constexpr bool is_persistent(const T& tensor) {
  if constexpr (requires { tensor_traits<T>::is_persistent(tensor); }) {
    return tensor_traits<T>::is_persistent(tensor);
  } else {
    return false;
  }
}

/// The bytes that a tensor adds to what the budget counts: none if it is persistent.
template <TensorLike T>
[[nodiscard]] constexpr byte_count counted_bytes(const T& tensor) {
  return is_persistent(tensor) ? 0 : static_cast<byte_count>(tensor_traits<T>::bytes(tensor));
}

/// A hash of the tensor's shape: of its bytes where the traits say no more.
template <TensorLike T>
[[nodiscard]] std::uint64_t shape_signature(const T& tensor) {
  if constexpr (requires { tensor_traits<T>::signature(tensor); }) {
    return tensor_traits<T>::signature(tensor);
  } else {
    return tensor_traits<T>::bytes(tensor);
  }
}

/// A tensor whose copies share its memory, as the variables of a tape do.
template <class T>
concept SharedTensor = TensorLike<T> && std::copyable<T>;

/// The tensor says how often it was changed in place.
template <class T>
concept VersionedTensor = TensorLike<T> && requires(const T& tensor) {
  { tensor_traits<T>::version(tensor) } -> std::convertible_to<std::uint64_t>;
};

/// How often the tensor was changed in place, as far as the traits say: 0 where they do not, and
/// for an empty one.
template <TensorLike T>
[[nodiscard]] constexpr std::uint64_t version_of(const T& tensor) {
  if constexpr (VersionedTensor<T>) {
    if (tensor_traits<T>::storage(tensor) == nullptr) return 0;
    return static_cast<std::uint64_t>(tensor_traits<T>::version(tensor));
  } else {
    return 0;
  }
}

/// `std::vector` of numbers works out of the box. Its bytes are its capacity's: that is what it
/// requested.
template <class Element, class Allocator>
requires std::is_arithmetic_v<Element>
struct tensor_traits<std::vector<Element, Allocator>> {
  using tensor = std::vector<Element, Allocator>;

  [[nodiscard]] static byte_count bytes(const tensor& t) noexcept {
    return t.capacity() * sizeof(Element);
  }
  [[nodiscard]] static const void* storage(const tensor& t) noexcept {
    return t.capacity() == 0 ? nullptr : t.data();
  }
  [[nodiscard]] static std::size_t elements(const tensor& t) noexcept { return t.size(); }
  /// @throws InvalidArgument if the sizes differ.
  static void accumulate(tensor& into, const tensor& part) {
    if (into.size() != part.size()) {
      throw InvalidArgument("cannot add a tensor of " + std::to_string(part.size()) +
                            " elements to one of " + std::to_string(into.size()));
    }
    for (std::size_t i = 0; i < into.size(); ++i) into[i] += part[i];
  }
  [[nodiscard]] static std::uint64_t checksum(const tensor& t) noexcept {
    return hash_bytes(std::as_bytes(std::span<const Element>(t)));
  }
};

static_assert(ChecksummableTensor<std::vector<float>>);

}  // namespace reprise::inline v0
