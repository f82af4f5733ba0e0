// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A parameter gradient as the backends see it: where it lies, how long it is, whose it is.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <ranges>
#include <reprise/backend/element_type.hpp>
#include <reprise/core/error.hpp>
#include <span>
#include <string>

namespace reprise::inline v0 {

/// One parameter gradient, borrowed and type-erased: `size` elements of `type` at `data`, in the
/// backend's memory. Null with size zero is an empty tensor.
struct GradientView {
  const void* data = nullptr;               ///< the first element, aligned to its size
  std::size_t size = 0;                     ///< in elements
  ElementType type = ElementType::float32;  ///< of each element
  std::uint32_t layer = 0;                  ///< that its squares are counted for
};

/// The view of a contiguous range of elements (a span, a vector, an array) that belongs to `layer`.
template <std::ranges::contiguous_range R>
requires std::ranges::sized_range<R> && Element<std::ranges::range_value_t<R>>
[[nodiscard]] constexpr GradientView gradient_view(const R& gradient, std::uint32_t layer) {
  return {std::ranges::data(gradient), static_cast<std::size_t>(std::ranges::size(gradient)),
          element_type_of<std::ranges::range_value_t<R>>, layer};
}

/// The view of the `size` elements at `data`, which belong to `layer`.
template <Element T>
[[nodiscard]] constexpr GradientView gradient_view(const T* data, std::size_t size,
                                                   std::uint32_t layer) {
  return {data, size, element_type_of<T>, layer};
}

/// Refuses a view at registration, by its index and its numbers.
/// @throws InvalidArgument always
[[noreturn]] inline void refuse_gradient(std::size_t index, const GradientView& view,
                                         const std::string& why) {
  throw InvalidArgument("gradient " + std::to_string(index) + " (layer " +
                        std::to_string(view.layer) + ", " + std::to_string(view.size) +
                        " elements): " + why);
}

/// Checks what can be known of views without reading through them; backends call it when gradients
/// are registered, so that no step has to.
/// Linear in the number of views.
/// @throws InvalidArgument for a null pointer with a length, a pointer that is not aligned to its
///         element, a length that no memory holds, an unknown element type, or a layer that is not
///         below `layers`; the message names the view by its index and carries the numbers.
inline void check_gradients(std::span<const GradientView> gradients, std::size_t layers) {
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    const GradientView& view = gradients[i];
    const auto refuse = [&](const std::string& why) { refuse_gradient(i, view, why); };
    const std::size_t bytes = element_bytes(view.type);
    if (bytes == 0) {
      refuse("element type " + std::to_string(static_cast<int>(view.type)) + " is unknown");
    }
    if (view.layer >= layers) refuse("there are only " + std::to_string(layers) + " layers");
    if (view.size == 0) continue;
    if (view.data == nullptr) refuse("its pointer is null but its length is not zero");
    if (view.size > static_cast<std::size_t>(std::numeric_limits<std::ptrdiff_t>::max()) / bytes) {
      refuse("no memory holds that many elements of " + std::to_string(bytes) + " bytes");
    }
    const auto address = reinterpret_cast<std::uintptr_t>(view.data);
    if (address % bytes != 0) {
      refuse("its address is not a multiple of its element's " + std::to_string(bytes) + " bytes");
    }
  }
}

}  // namespace reprise::inline v0
