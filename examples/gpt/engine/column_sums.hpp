// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Sums over the rows of a matrix, for the gradients of biases and the like.

#include <cstddef>

#include "engine/kernel.hpp"

namespace gpt {

/// Columns that a team takes: a cache line of floats.
inline constexpr std::size_t columns_a_chunk = 16;

/// The number of chunks that `columns` columns make.
[[nodiscard]] inline std::size_t column_chunks(std::size_t columns) {
  return (columns + columns_a_chunk - 1) / columns_a_chunk;
}

/// A number for each column of a chunk.
struct ColumnTotals {
  float of[columns_a_chunk];

  GPT_KERNEL friend ColumnTotals operator+(ColumnTotals a, const ColumnTotals& b) {
    for (std::size_t j = 0; j < columns_a_chunk; ++j) a.of[j] += b.of[j];
    return a;
  }
};

/// The columns that chunk number `index` owns.
struct ColumnChunk {
  std::size_t first;
  std::size_t width;

  GPT_KERNEL ColumnChunk(std::size_t index, std::size_t columns)
      : first(index * columns_a_chunk),
        width(columns - first < columns_a_chunk ? columns - first : columns_a_chunk) {}

  /// `f(column)` for each of them.
  template <class F>
  [[nodiscard]] GPT_KERNEL ColumnTotals map(F f) const {
    ColumnTotals values{};
    if (width == columns_a_chunk) {  // a loop of known length is a few wide instructions
      for (std::size_t j = 0; j < columns_a_chunk; ++j) values.of[j] = f(first + j);
    } else {
      for (std::size_t j = 0; j < width; ++j) values.of[j] = f(first + j);
    }
    return values;
  }
};

/// Adds the sum of each column of `matrix` to `sums`. A team owns its columns, so that the sum does
/// not depend on how many teams there are.
template <class Element>
struct ColumnSums {
  const Element* matrix;
  std::size_t rows;
  std::size_t columns;
  float* sums;

  template <class Team>
  GPT_KERNEL void operator()(const Team& team, std::size_t index) const {
    const ColumnChunk chunk(index, columns);
    const ColumnTotals totals = team.sum(rows, [&](std::size_t row) {
      return chunk.map([&](std::size_t column) { return matrix[row * columns + column]; });
    });
    team.for_each(chunk.width, [&](std::size_t j) { sums[chunk.first + j] += totals.of[j]; });
  }
};

}  // namespace gpt
