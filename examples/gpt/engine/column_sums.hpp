// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Sums over the rows of a matrix, for the gradients of biases and the like.

#include <cstddef>

#include "engine/for_each_index.hpp"

namespace gpt {

/// Columns that one index of a kernel takes: a cache line of floats.
inline constexpr std::size_t columns_a_chunk = 16;

/// The number of chunks that `columns` columns make.
[[nodiscard]] inline std::size_t column_chunks(std::size_t columns) {
  return (columns + columns_a_chunk - 1) / columns_a_chunk;
}

/// The columns that chunk number `index` owns.
struct ColumnChunk {
  std::size_t first;
  std::size_t width;

  GPT_KERNEL ColumnChunk(std::size_t index, std::size_t columns)
      : first(index * columns_a_chunk),
        width(columns - first < columns_a_chunk ? columns - first : columns_a_chunk) {}
};

/// Adds the sum of each column of `matrix` to `sums`. An index owns its columns and goes through
/// the rows in order, so that the sum does not depend on the number of threads.
struct ColumnSums {
  const float* matrix;
  std::size_t rows;
  std::size_t columns;
  float* sums;

  GPT_KERNEL void operator()(std::size_t index) const {
    const auto [first, width] = ColumnChunk(index, columns);
    float total[columns_a_chunk] = {};
    for (std::size_t row = 0; row < rows; ++row) {
      const float* const from = matrix + row * columns + first;
      for (std::size_t j = 0; j < width; ++j) total[j] += from[j];
    }
    for (std::size_t j = 0; j < width; ++j) sums[first + j] += total[j];
  }
};

}  // namespace gpt
