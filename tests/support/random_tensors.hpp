// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Lists of gradients of all types and lengths, with the sums of their squares.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <memory>
#include <random>
#include <reprise/backend/element_type.hpp>
#include <reprise/backend/gradient_view.hpp>
#include <vector>

namespace reprise_test {

/// Tensors of all element types, each at any address that its type allows.
/// @tparam Allocator of memory that the backend under test can read
template <class Allocator = std::allocator<double>>
struct Tensors {
  using allocator_type = Allocator;
  std::vector<std::vector<double, Allocator>> memory;  // aligned for everything
  std::vector<reprise::GradientView> views;
  std::vector<double> sums;  // of squares, by layer, those of a tensor added in long double

  explicit Tensors(std::size_t layers) : sums(layers) {}

  void add(std::size_t size, reprise::ElementType type, std::uint32_t layer,
           std::size_t misalignment, std::mt19937_64& random) {
    const std::size_t bytes = reprise::element_bytes(type);
    memory.emplace_back(((size + misalignment) * bytes + sizeof(double) - 1) / sizeof(double) + 1);
    auto* const start = reinterpret_cast<std::byte*>(memory.back().data()) + misalignment * bytes;
    views.push_back({start, size, type, layer});
    std::normal_distribution<float> normal(0.0F, 3.0F);
    long double sum = 0;
    for (std::size_t i = 0; i < size; ++i) {
      const float value = normal(random);
      const auto exact = reprise::with_element_type(type, [start, i, value](auto element) {
        using T = decltype(element);
        T stored{};
        double number = 0;
        if constexpr (sizeof(T) == 2) {
          stored = T::from_float(value);
          number = static_cast<float>(stored);
        } else {
          stored = static_cast<T>(value) / 3;
          number = stored;
        }
        std::memcpy(start + i * sizeof(T), &stored, sizeof(T));
        return number;
      });
      sum += static_cast<long double>(exact) * exact;
    }
    sums[layer] += static_cast<double>(sum);
  }
};

/// Up to 20 tensors of 7 layers, some empty, some about as long as a chunk of so many elements.
template <class Allocator = std::allocator<double>>
Tensors<Allocator> random_tensors(std::mt19937_64& random, std::size_t chunk) {
  constexpr std::size_t layers = 7;
  const std::size_t sizes[] = {
      0, 1, 7, 8, 63, 64, 65, 1000, chunk, chunk - 1, chunk + 1, 3 * chunk, 5 * chunk + 17};
  Tensors<Allocator> tensors(layers);
  const std::size_t count = random() % 20;
  for (std::size_t i = 0; i < count; ++i) {
    tensors.add(sizes[random() % std::size(sizes)], static_cast<reprise::ElementType>(random() % 4),
                static_cast<std::uint32_t>(random() % layers), random() % 9, random);
  }
  return tensors;
}

}  // namespace reprise_test
