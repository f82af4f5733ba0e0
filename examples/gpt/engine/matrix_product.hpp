// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Matrix products: the one interface behind which a BLAS stands, or Eigen.

#include <algorithm>
#include <cstddef>
#include <memory>
#include <type_traits>

#include "engine/for_each_index.hpp"
#include "engine/threads.hpp"

#if REPRISE_HAS_CBLAS
#include <cblas.h>
extern "C" void openblas_set_num_threads(int threads);
#else
#include <Eigen/Core>
#endif

namespace gpt {

/// C(m x n) = alpha * op(A)(m x k) * op(B)(k x n) + beta * C, row by row; op transposes, or not.
struct MatrixProduct {
  bool transpose_a = false;
  bool transpose_b = false;
  std::size_t m = 0;
  std::size_t n = 0;
  std::size_t k = 0;
  float alpha = 1;
  float beta = 0;

  /// The floating-point operations of one such product.
  [[nodiscard]] double flops() const noexcept {
    return 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  }
};

/// A matrix as stored: `stride` elements from one row to the next.
template <class T>
struct MatrixView {
  T* data = nullptr;
  std::size_t stride = 0;

  /// The part from that element on.
  [[nodiscard]] MatrixView at(std::size_t row, std::size_t column) const {
    return after(row * stride + column);
  }
  /// The matrix that is stored so many elements later.
  [[nodiscard]] MatrixView after(std::size_t elements) const { return {data + elements, stride}; }
};
using ConstMatrix = MatrixView<const float>;
using Matrix = MatrixView<float>;

/// Many products of one shape: elements from a matrix to the next one, in an outer and an inner
/// loop.
struct ProductBatch {
  struct Step {
    std::size_t outer = 0;
    std::size_t inner = 0;

    [[nodiscard]] std::size_t offset(std::size_t o, std::size_t i) const {
      return o * outer + i * inner;
    }
  };

  std::size_t outer = 1;
  std::size_t inner = 1;
  Step a{};
  Step b{};
  Step c{};
};

namespace matrix_product {

#if REPRISE_HAS_CBLAS

inline void use_one_thread() { openblas_set_num_threads(1); }

inline void serial(const MatrixProduct& p, ConstMatrix a, ConstMatrix b, Matrix c) {
  const auto number = [](std::size_t size) { return static_cast<int>(size); };
  cblas_sgemm(CblasRowMajor, p.transpose_a ? CblasTrans : CblasNoTrans,
              p.transpose_b ? CblasTrans : CblasNoTrans, number(p.m), number(p.n), number(p.k),
              p.alpha, a.data, number(a.stride), b.data, number(b.stride), p.beta, c.data,
              number(c.stride));
}

#else

inline void use_one_thread() { Eigen::setNbThreads(1); }

inline void serial(const MatrixProduct& p, ConstMatrix a, ConstMatrix b, Matrix c) {
  using Dense = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using Stride = Eigen::OuterStride<>;
  const auto number = [](std::size_t size) { return static_cast<Eigen::Index>(size); };
  const auto view = [&](ConstMatrix matrix, bool transposed, std::size_t rows,
                        std::size_t columns) {
    return Eigen::Map<const Dense, 0, Stride>(matrix.data, number(transposed ? columns : rows),
                                              number(transposed ? rows : columns),
                                              Stride(number(matrix.stride)));
  };
  const auto left = view(a, p.transpose_a, p.m, p.k);
  const auto right = view(b, p.transpose_b, p.k, p.n);
  Eigen::Map<Dense, 0, Stride> result(c.data, number(p.m), number(p.n), Stride(number(c.stride)));
  if (p.beta == 0) {
    result.setZero();
  } else if (p.beta != 1) {
    result *= p.beta;
  }
  if (p.transpose_a && p.transpose_b) {
    result.noalias() += p.alpha * left.transpose() * right.transpose();
  } else if (p.transpose_a) {
    result.noalias() += p.alpha * left.transpose() * right;
  } else if (p.transpose_b) {
    result.noalias() += p.alpha * left * right.transpose();
  } else {
    result.noalias() += p.alpha * left * right;
  }
}

#endif

/// A dense copy of a matrix in floats.
class Floats {
 public:
  /// Of that many elements; uninitialised. @throws std::bad_alloc
  Floats(std::size_t rows, std::size_t columns)
      : rows_(rows),
        columns_(columns),
        numbers_(std::make_unique_for_overwrite<float[]>(rows * columns)) {}
  template <class T>
  Floats(MatrixView<T> from, std::size_t rows, std::size_t columns) : Floats(rows, columns) {
    read(from);
  }

  template <class T>
  void read(MatrixView<T> from) {
    for_each_row([&](std::size_t row, float* numbers) {
      std::copy_n(from.at(row, 0).data, columns_, numbers);
    });
  }
  /// Rounds to what `T` can hold.
  template <class T>
  void write(MatrixView<T> to) const {
    for_each_row([&](std::size_t row, const float* numbers) {
      std::copy_n(numbers, columns_, to.at(row, 0).data);
    });
  }
  [[nodiscard]] Matrix matrix() { return {numbers_.get(), columns_}; }
  [[nodiscard]] ConstMatrix matrix() const { return {numbers_.get(), columns_}; }

 private:
  template <class F>
  void for_each_row(const F& f) const {
    for (std::size_t row = 0; row < rows_; ++row) f(row, numbers_.get() + row * columns_);
  }

  std::size_t rows_;
  std::size_t columns_;
  std::unique_ptr<float[]> numbers_;
};

/// Elements that the library may not know become floats on the way, in memory that is the product's
/// alone; the result is rounded once.
template <class T, class Result>
void serial(const MatrixProduct& p, MatrixView<const T> a, MatrixView<const T> b,
            MatrixView<Result> c) {
  const Floats left(a, p.transpose_a ? p.k : p.m, p.transpose_a ? p.m : p.k);
  const Floats right(b, p.transpose_b ? p.n : p.k, p.transpose_b ? p.k : p.n);
  if constexpr (std::is_same_v<Result, float>) {
    serial(p, left.matrix(), right.matrix(), c);
  } else {
    Floats result(p.m, p.n);
    if (p.beta != 0) result.read(c);
    serial(p, left.matrix(), right.matrix(), result.matrix());
    result.write(c);
  }
}

/// Each product runs on the thread that asks for it. The threads are the engine's: a library's own
/// would fight with them for the cores, and depend on the environment.
inline void keep_library_serial() {
  [[maybe_unused]] static const bool done = [] {
    use_one_thread();
    return true;
  }();
}

/// Strip `i` of a product that is cut along the longer side of C.
template <class T, class Result>
struct Strip {
  MatrixProduct whole;
  MatrixView<const T> a;
  MatrixView<const T> b;
  MatrixView<Result> c;
  std::size_t length;

  void operator()(std::size_t i) const {
    const std::size_t first = i * length;
    MatrixProduct part = whole;
    if (whole.m >= whole.n) {
      part.m = std::min(length, whole.m - first);
      serial(part, whole.transpose_a ? a.at(0, first) : a.at(first, 0), b, c.at(first, 0));
    } else {
      part.n = std::min(length, whole.n - first);
      serial(part, a, whole.transpose_b ? b.at(first, 0) : b.at(0, first), c.at(0, first));
    }
  }
};

/// Product `i` of a batch.
template <class T, class Result>
struct Member {
  MatrixProduct product;
  ProductBatch batch;
  MatrixView<const T> a;
  MatrixView<const T> b;
  MatrixView<Result> c;

  void operator()(std::size_t i) const {
    const std::size_t outer = i / batch.inner;
    const std::size_t inner = i % batch.inner;
    serial(product, a.after(batch.a.offset(outer, inner)), b.after(batch.b.offset(outer, inner)),
           c.after(batch.c.offset(outer, inner)));
  }
};

}  // namespace matrix_product

/// One product on all threads. The same bits from run to run at one number of threads.
template <class T, class Result>
void multiply(const MatrixProduct& product, MatrixView<const T> a, MatrixView<const T> b,
              MatrixView<Result> c) {
  matrix_product::keep_library_serial();
  const auto most = static_cast<std::size_t>(threads());
  const std::size_t side = std::max(product.m, product.n);
  // Strips start where the kernels' own tiles do.
  const std::size_t length = ((side + most - 1) / most + 15) / 16 * 16;
  const std::size_t strips = (side + length - 1) / length;
  for_each_index(strips, matrix_product::Strip<T, Result>{product, a, b, c, length},
                 static_cast<std::size_t>(product.flops()) / strips);
}

/// Many products on all threads; no two of them write the same element.
template <class T, class Result>
void multiply(const MatrixProduct& product, const ProductBatch& batch, MatrixView<const T> a,
              MatrixView<const T> b, MatrixView<Result> c) {
  matrix_product::keep_library_serial();
  for_each_index(batch.outer * batch.inner,
                 matrix_product::Member<T, Result>{product, batch, a, b, c},
                 static_cast<std::size_t>(product.flops()));
}

}  // namespace gpt
