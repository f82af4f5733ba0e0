// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The CPU, as a device that the engine computes on.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "engine/block_pool.hpp"
#include "engine/for_each_index.hpp"
#include "engine/matrix_product.hpp"
#include "engine/one_thread.hpp"

namespace gpt {

/// A device: all that the engine knows of where it computes. The others have the same members.
///
/// Work is enqueued, and done in that order; only `read` and `write` wait for it. Functors are
/// copied by value and hold numbers and raw pointers only, so that they can run on a GPU. No call
/// of one may write what another call touches. `work` is a guess of the elements that a call
/// touches.
class Cpu {
 public:
  /// Elements that are no tensor: parameters, tokens. `data()` and `size()`; it is movable.
  template <class T>
  using Buffer = std::vector<T>;

  /// What tensors are stored as. Arithmetic is in float, whatever it is.
  using Element = float;

  /// Room for a tensor. @throws std::bad_alloc
  [[nodiscard]] void* allocate(std::size_t bytes) { return pool_.allocate(bytes); }
  void release(void* block, std::size_t bytes) noexcept { pool_.release(block, bytes); }
  /// The bytes that are taken for tensors: of those that live, and what is kept for others.
  [[nodiscard]] std::uint64_t reserved_bytes() const noexcept { return pool_.reserved_bytes(); }
  /// Gives back what is kept.
  void trim() noexcept { pool_.trim(); }
  /// The most that tensors took since `reset_peak`, where a driver counts it.
  [[nodiscard]] static std::optional<std::uint64_t> peak_bytes() noexcept { return {}; }
  static void reset_peak() noexcept {}

  /// Calls `f(i)` for each i below `n`.
  template <class F>
  static void for_each_index(std::size_t n, F f, std::size_t work = 1) {
    gpt::for_each_index(n, f, work);
  }
  /// Calls `f(team, i)` for each i below `n`, each with a team of threads: see OneThread.
  template <class F>
  static void for_each_team(std::size_t n, F f, std::size_t work = 1) {
    gpt::for_each_index(
        n, [f](std::size_t i) { f(OneThread{}, i); }, work);
  }
  /// Matrix products, of elements or of floats. Sums are in float, and rounded once.
  template <class T, class Result>
  static void multiply(const MatrixProduct& product, MatrixView<const T> a, MatrixView<const T> b,
                       MatrixView<Result> c) {
    gpt::multiply(product, a, b, c);
  }
  template <class T, class Result>
  static void multiply(const MatrixProduct& product, const ProductBatch& batch,
                       MatrixView<const T> a, MatrixView<const T> b, MatrixView<Result> c) {
    gpt::multiply(product, batch, a, b, c);
  }

  /// `size` elements of that value.
  template <class T>
  [[nodiscard]] static Buffer<T> make_buffer(std::size_t size, T value) {
    return Buffer<T>(size, value);
  }
  /// The elements, for work that is enqueued from now on.
  template <class T>
  [[nodiscard]] static Buffer<T> upload(std::vector<T> host) {
    return host;
  }
  /// Returns `f(elements)`, which sees them in host memory.
  template <class T, class F>
  static auto read(std::span<const T> elements, F f) {
    return f(elements);
  }
  /// Replaces elements.
  template <class T>
  static void write(std::span<const T> host, std::span<T> elements) {
    std::ranges::copy(host, elements.begin());
  }

 private:
  BlockPool pool_;
};

}  // namespace gpt
