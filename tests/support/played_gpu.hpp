// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The GPT engine's GPU, played on the host.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

#include "engine/cpu.hpp"
#include "engine/matrix_product.hpp"
#include "engine/strided_products.hpp"

namespace reprise_test {

/// A block of threads: one after the other, the last one first, up to each place where they wait
/// for each other, and what they combine in the order in which CUB's BLOCK_REDUCE_WARP_REDUCTIONS
/// does.
template <std::uint32_t Threads>
struct PlayedTeam {
  static constexpr std::size_t warp = 32;
  static_assert(Threads % warp == 0);

  template <class F>
  void for_each(std::size_t n, F f) const {
    for (std::size_t thread = Threads; thread-- > 0;) for_each_of(thread, n, f);
  }

  template <class F>
  [[nodiscard]] auto sum(std::size_t n, F f) const {
    using Sum = std::decay_t<decltype(f(n))>;
    return combine(n, Sum{}, f, [](const Sum& a, const Sum& b) { return a + b; });
  }

  template <class F>
  [[nodiscard]] float max(std::size_t n, F f) const {
    return combine(n, -std::numeric_limits<float>::infinity(), f,
                   [](float a, float b) { return b > a ? b : a; });
  }

  template <class F>
  void once(F f) const {
    f();
  }

 private:
  template <class F>
  static void for_each_of(std::size_t thread, std::size_t n, F& f) {
    for (std::size_t i = thread; i < n; i += Threads) f(i);
  }

  template <class T, class F, class Operation>
  static T combine(std::size_t n, T start, F f, Operation operation) {
    std::vector<T> values(Threads, start);
    for (std::size_t thread = Threads; thread-- > 0;) {
      const auto take = [&](std::size_t i) { values[thread] = operation(values[thread], f(i)); };
      for_each_of(thread, n, take);
    }
    for (std::size_t first = 0; first < Threads; first += warp) {
      for (std::size_t distance = 1; distance < warp; distance *= 2) {
        for (std::size_t lane = 0; lane + distance < warp; ++lane) {  // reads before it writes
          T& value = values[first + lane];
          value = operation(value, values[first + lane + distance]);
        }
      }
    }
    for (std::size_t first = warp; first < Threads; first += warp) {
      values[0] = operation(values[0], values[first]);
    }
    return values[0];
  }
};

/// The device `gpt::Cuda` in host memory: its teams, its way to a BLAS library that stores matrices
/// column by column, and, where the order must not matter, the last one first.
class PlayedGpu {
 public:
  template <class T>
  using Buffer = std::vector<T>;

  using Element = float;

  [[nodiscard]] void* allocate(std::size_t bytes) { return memory_.allocate(bytes); }
  void release(void* block, std::size_t bytes) noexcept { memory_.release(block, bytes); }
  [[nodiscard]] std::uint64_t reserved_bytes() const noexcept { return memory_.reserved_bytes(); }
  void trim() noexcept { memory_.trim(); }
  [[nodiscard]] static std::optional<std::uint64_t> peak_bytes() noexcept { return {}; }
  static void reset_peak() noexcept {}

  template <class F>
  static void for_each_index(std::size_t n, F f, std::size_t /*work*/ = 1) {
    for (std::size_t i = n; i-- > 0;) f(i);
  }
  template <class F>
  static void for_each_team(std::size_t n, F f, std::size_t /*work*/ = 1) {
    for (std::size_t i = n; i-- > 0;) f(PlayedTeam<128>{}, i);
  }
  template <class T, class Result>
  static void multiply(const gpt::MatrixProduct& product, gpt::MatrixView<const T> a,
                       gpt::MatrixView<const T> b, gpt::MatrixView<Result> c) {
    multiply(product, gpt::ProductBatch{}, a, b, c);
  }
  template <class T, class Result>
  static void multiply(const gpt::MatrixProduct& product, const gpt::ProductBatch& batch,
                       gpt::MatrixView<const T> a, gpt::MatrixView<const T> b,
                       gpt::MatrixView<Result> c) {
    gpt::for_each_strided(product, batch, a, b, c, [](const auto& products) {
      for (int i = 0; i < products.count; ++i) multiply(products, i);
    });
  }

  template <class T>
  [[nodiscard]] static Buffer<T> make_buffer(std::size_t size, T value) {
    return Buffer<T>(size, value);
  }
  template <class T>
  [[nodiscard]] static Buffer<T> upload(std::vector<T> host) {
    return host;
  }
  template <class T, class F>
  static auto read(std::span<const T> elements, F f) {
    return f(elements);
  }
  template <class T>
  static void write(std::span<const T> host, std::span<T> elements) {
    std::ranges::copy(host, elements.begin());
  }

 private:
  /// Product number `index` as the definition has it.
  template <class T, class Result>
  static void multiply(const gpt::StridedProducts<T, Result>& p, std::int64_t index) {
    const auto at = [index](const auto& factor, int row, int column) -> auto& {
      if (factor.is_transposed) std::swap(row, column);
      return factor.data[index * factor.step + std::int64_t{column} * factor.leading + row];
    };
    for (int row = 0; row < p.m; ++row) {
      for (int column = 0; column < p.n; ++column) {
        float sum = 0;
        for (int k = 0; k < p.k; ++k) sum += at(p.a, row, k) * at(p.b, k, column);
        Result& element = at(p.c, row, column);
        element = p.alpha * sum + (p.beta == 0 ? 0 : p.beta * element);
      }
    }
  }

  gpt::Cpu memory_;
};

}  // namespace reprise_test
