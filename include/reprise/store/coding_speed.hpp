// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What encoding and decoding take.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <reprise/codec/codec.hpp>
#include <reprise/codec/element_lanes.hpp>
#include <reprise/core/philox.hpp>
#include <span>
#include <vector>

namespace reprise::inline v0 {

/// Costs of a codec by plain byte, in the unit of a program's costs; zeros where programs count
/// FLOPs.
struct CodingSpeed {
  double encode = 0;  ///< of one byte of the original
  double decode = 0;  ///< of one byte of the original
};

/// Seconds a byte on this machine, on one thread: the best of a few runs over a mebibyte. Takes a
/// few milliseconds.
template <CodedElement E, CodecOf<E> C>
[[nodiscard]] CodingSpeed measured_coding_speed(const C& codec = {}) {
  constexpr std::size_t bytes = std::size_t{1} << 20U;
  constexpr int runs = 5;
  std::vector<E> elements(bytes / sizeof(E));
  for (std::size_t i = 0; i < elements.size(); ++i) {
    elements[i] = codes::to_element<E>(i % 2 == 0 ? 1 : 0);  // what each codec takes, masks too
  }
  std::vector<std::byte> code(codec.encoded_bytes(elements.size()));
  const auto least_seconds = [](auto run) {
    double least = 0;
    for (int i = 0; i < runs; ++i) {
      const auto start = std::chrono::steady_clock::now();
      run();
      const double seconds =
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      least = i == 0 ? seconds : std::min(least, seconds);
    }
    return least / static_cast<double>(bytes);
  };
  CodingSpeed speed;
  speed.encode = least_seconds([&] {
    codec.encode(std::span<const E>(elements), std::span(code), Philox{1, 1});
  });
  speed.decode =
      least_seconds([&] { codec.decode(std::span<const std::byte>(code), std::span(elements)); });
  return speed;
}

}  // namespace reprise::inline v0
