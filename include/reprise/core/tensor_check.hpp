// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Says at compile time which optional member of an engine's `tensor_traits` cannot be called.

#include <concepts>
#include <cstdint>
#include <reprise/core/optional_names.hpp>
#include <reprise/core/tensor.hpp>

namespace reprise::inline v0 {

namespace tensor_check {

template <class T>
inline constexpr bool takes_signature = requires(const T& tensor) {
  { tensor_traits<T>::signature(tensor) } -> std::convertible_to<std::uint64_t>;
};
template <class T>
inline constexpr bool takes_persistent = requires(const T& tensor) {
  { tensor_traits<T>::is_persistent(tensor) } -> std::convertible_to<bool>;
};

/// Compiles unless the traits name something optional that nothing could call: a version or a
/// checksum that is never asked for would let every change pass.
template <TensorLike T>
constexpr bool check_optional() {
  using traits = tensor_traits<T>;
  using namespace naming;
  static_assert(!TraitsNameChecksum<traits> || ChecksummableTensor<T>,
                "the tensor_traits' checksum cannot be called with the signature static "
                "std::uint64_t checksum(const T&)");
  static_assert(!TraitsNameVersion<traits> || VersionedTensor<T>,
                "the tensor_traits' version cannot be called with the signature static "
                "std::uint64_t version(const T&)");
  static_assert(!TraitsNameElements<traits> || CountsElements<T>,
                "the tensor_traits' elements cannot be called with the signature static "
                "std::size_t elements(const T&)");
  static_assert(!TraitsNameSignature<traits> || takes_signature<T>,
                "the tensor_traits' signature cannot be called with the signature static "
                "std::uint64_t signature(const T&)");
  static_assert(!TraitsNamePersistent<traits> || takes_persistent<T>,
                "the tensor_traits' is_persistent cannot be called with the signature static bool "
                "is_persistent(const T&)");
  return true;
}

/// Whether there are `tensor_traits` of this type at all.
template <class T>
inline constexpr bool has_traits = requires {
  sizeof(tensor_traits<T>);
};

/// Compiles for what is no tensor, and for a tensor all of whose traits can be called. Traits that
/// make no TensorLike would be taken for none, and then nothing is compared.
template <class T>
constexpr bool check_payload() {
  if constexpr (has_traits<T>) {
    static_assert(TensorLike<T>,
                  "there are tensor_traits of this type, and it is no TensorLike: they need bytes, "
                  "storage and accumulate");
    if constexpr (TensorLike<T>) return check_optional<T>();
  }
  return true;
}

}  // namespace tensor_check

}  // namespace reprise::inline v0
