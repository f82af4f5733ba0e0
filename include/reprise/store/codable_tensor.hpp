// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What codecs need to know of an engine's tensors.

#include <concepts>
#include <cstddef>
#include <reprise/codec/codec.hpp>
#include <reprise/core/tensor.hpp>
#include <span>
#include <type_traits>

namespace reprise::inline v0 {

/// To be specialised by an engine whose tensors are to be encoded, see `CodableTensor`.
template <class T>
struct codable_traits;

/// A tensor whose elements lie one after another in the host's memory.
///
/// `codable_traits<T>` says:
///
/// - `element_type`: of its elements, which codecs take;
/// - `elements(t)`: all of them, as a span, constant of a constant tensor;
/// - `shape_type`, `shape(t)`: what a tensor like it is made from, without its bytes; movable;
/// - `make(shape)`: such a tensor, with memory of its own and any elements;
/// - `make_code(shape, n)`: a tensor of n elements from the same allocator, for a code.
template <class T>
concept CodableTensor = TensorLike<T> &&
    requires(const T& constant, T& tensor, const typename codable_traits<T>::shape_type& shape,
             std::size_t elements) {
  requires CodedElement<typename codable_traits<T>::element_type>;
  requires std::movable<typename codable_traits<T>::shape_type>;
  {
    codable_traits<T>::elements(constant)
    } -> std::same_as<std::span<const typename codable_traits<T>::element_type>>;
  {
    codable_traits<T>::elements(tensor)
    } -> std::same_as<std::span<typename codable_traits<T>::element_type>>;
  { codable_traits<T>::shape(constant) } -> std::same_as<typename codable_traits<T>::shape_type>;
  { codable_traits<T>::make(shape) } -> std::same_as<T>;
  { codable_traits<T>::make_code(shape, elements) } -> std::same_as<T>;
};

}  // namespace reprise::inline v0
