// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Matrix products in the terms of BLAS libraries for GPUs.

#include <cstddef>
#include <cstdint>

#include "engine/matrix_product.hpp"

namespace gpt {

/// A factor or the result of products: from one column to the next it is `leading` elements, from
/// one product's matrix to the next one's `step`.
template <class T>
struct StridedMatrix {
  T* data;
  bool is_transposed;
  int leading;
  std::int64_t step;
};

/// Products C = alpha * op(A) * op(B) + beta * C with matrices stored column by column: C has m
/// rows and n columns.
template <class T, class Result>
struct StridedProducts {
  int m;
  int n;
  int k;
  float alpha;
  float beta;
  StridedMatrix<const T> a;
  StridedMatrix<const T> b;
  StridedMatrix<Result> c;
  int count;
};

/// Calls `run` with strided products that together make up the batch.
///
/// What is stored row by row is its transpose column by column, so that the factors change places.
/// Two loops of matrices are two strides, of which a library takes one: the shorter loop is run
/// here.
template <class T, class Result, class F>
void for_each_strided(const MatrixProduct& product, const ProductBatch& batch,
                      MatrixView<const T> a, MatrixView<const T> b, MatrixView<Result> c,
                      const F& run) {
  const bool outer_is_longer = batch.outer > batch.inner;
  const std::size_t calls = outer_is_longer ? batch.inner : batch.outer;
  const auto number = [](std::size_t size) { return static_cast<int>(size); };
  const auto factor = [&]<class Of>(MatrixView<Of> matrix, bool is_transposed,
                                    ProductBatch::Step step, std::size_t call) {
    const std::size_t here = outer_is_longer ? step.inner : step.outer;
    const std::size_t within = outer_is_longer ? step.outer : step.inner;
    return StridedMatrix<Of>{matrix.data + call * here, is_transposed, number(matrix.stride),
                             static_cast<std::int64_t>(within)};
  };
  for (std::size_t call = 0; call < calls; ++call) {
    run(StridedProducts<T, Result>{.m = number(product.n),
                                   .n = number(product.m),
                                   .k = number(product.k),
                                   .alpha = product.alpha,
                                   .beta = product.beta,
                                   .a = factor(b, product.transpose_b, batch.b, call),
                                   .b = factor(a, product.transpose_a, batch.a, call),
                                   .c = factor(c, false, batch.c, call),
                                   .count = number(outer_is_longer ? batch.outer : batch.inner)});
  }
}

}  // namespace gpt
