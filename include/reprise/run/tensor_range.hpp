// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The tensors that a call is given where their number is known at run time.

#include <concepts>
#include <ranges>
#include <reprise/core/error.hpp>
#include <string>
#include <type_traits>
#include <vector>

namespace reprise::inline v0 {

/// A range of tensors of type T that lie in memory, or of pointers to such.
template <class R, class T>
concept TensorRange = std::ranges::forward_range<R> && std::ranges::sized_range<R> &&
    (std::convertible_to<std::ranges::range_value_t<R>, const T*> ||
     (std::same_as<std::ranges::range_value_t<R>, T> &&
      std::is_lvalue_reference_v<std::ranges::range_reference_t<R>>));

/// A `TensorRange` whose tensors outlive the expression in which it stands: a view, a range with a
/// name, pointers.
template <class R, class T>
concept BorrowedTensorRange = TensorRange<R, T> &&
    (std::convertible_to<std::ranges::range_value_t<R>, const T*> ||
     std::ranges::borrowed_range<R>);

namespace running {

/// What a call that borrows tensors for longer than itself cannot take: tensors without a name,
/// which are gone when it returns.
template <class I, class T>
concept TemporaryTensors =
    !std::is_lvalue_reference_v<I> &&
    (std::same_as<std::remove_cvref_t<I>, T> || (TensorRange<I, T> && !BorrowedTensorRange<I, T>));

/// Pointers to tensors, in their order.
template <class T, class... Inputs>
[[nodiscard]] std::vector<T*> pointers_to(const Inputs&... inputs) {
  return {const_cast<T*>(&inputs)...};
}
/// The same for a list of tensors or of pointers to them. Linear.
/// @throws InvalidArgument naming the call for a null pointer
template <class T, TensorRange<T> R>
[[nodiscard]] std::vector<T*> pointers_to_all(const char* call, R& inputs) {
  std::vector<T*> pointers;
  pointers.reserve(std::ranges::size(inputs));
  for (const auto& input : inputs) {
    if constexpr (std::same_as<std::ranges::range_value_t<R>, T>) {
      pointers.push_back(const_cast<T*>(&input));
    } else {
      const T* const pointer = input;
      if (pointer == nullptr) {
        throw InvalidArgument(std::string(call) + " was given a null pointer for input " +
                              std::to_string(pointers.size()));
      }
      pointers.push_back(const_cast<T*>(pointer));
    }
  }
  return pointers;
}

/// Says in compilers' messages, which name the result of a deleted function, why it is deleted.
struct InputsAreBorrowedUntilBackwardAndNeedANameOfTheirOwn;
/// The same.
struct ForwardTakesTensorsOfTheGraphsOwnTypeOrOneListOfThem;
/// The same.
struct BackwardTakesThePassOverSoMoveIt;

}  // namespace running

}  // namespace reprise::inline v0
