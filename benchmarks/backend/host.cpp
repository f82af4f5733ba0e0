// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// The multi-tensor sum of squares on GPT-2 124M's 148 gradients (498 MB in float), beside what a
// user would do instead (Eigen or BLAS for each tensor) and beside a plain read of the same bytes:
// the limit. `ratio to read` of one run is the figure to quote, as machines and moments differ.
// Eigen and BLAS accumulate in float.

#include <benchmark/benchmark.h>
#include <cblas.h>

#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numeric>
#include <reprise/backend/element_type.hpp>
#include <reprise/backend/gradient_view.hpp>
#include <reprise/backend/host.hpp>
#include <span>
#include <vector>

namespace {

// GPT-2 124M's parameters in the order in which the model lists them.
std::vector<std::size_t> gpt2_lengths() {
  constexpr std::size_t channels = 768;
  std::vector<std::size_t> lengths{50257 * channels, 1024 * channels};
  for (int block = 0; block < 12; ++block) {
    lengths.insert(lengths.end(),
                   {channels, channels, channels * 3 * channels, 3 * channels, channels * channels,
                    channels, channels, channels, channels * 4 * channels, 4 * channels,
                    4 * channels * channels, channels});
  }
  lengths.insert(lengths.end(), {channels, channels});
  return lengths;
}

// The gradients of GPT-2 with elements of type T; a layer for each block, embeddings with the
// first.
template <class T>
struct Gradients {
  std::vector<std::vector<T>> tensors;
  std::vector<reprise::GradientView> views;
  std::size_t layers = 12;
  std::int64_t bytes = 0;

  static const Gradients& get() {
    static const Gradients instance;
    return instance;
  }

 private:
  Gradients() {
    const std::vector<std::size_t> lengths = gpt2_lengths();
    for (std::size_t i = 0; i < lengths.size(); ++i) {
      std::vector<T> tensor(lengths[i]);
      for (std::size_t j = 0; j < tensor.size(); ++j) {
        const float value = static_cast<float>(j * 2654435761U % 2001U) * 1e-3F - 1.0F;
        if constexpr (sizeof(T) == 2) {
          tensor[j] = T::from_float(value);
        } else {
          tensor[j] = value;
        }
      }
      bytes += static_cast<std::int64_t>(tensor.size() * sizeof(T));
      tensors.push_back(std::move(tensor));
      const auto layer =
          static_cast<std::uint32_t>(i < 2 ? 0 : std::min<std::size_t>(11, (i - 2) / 12));
      views.push_back(reprise::gradient_view(tensors.back(), layer));
    }
  }
};

void count_bytes(benchmark::State& state, std::int64_t bytes) {
  state.SetBytesProcessed(state.iterations() * bytes);
}

// A plain read: every byte is loaded and added to one of 16 sums of words.
std::uint64_t read_words(const std::byte* data, std::size_t bytes) {
  std::array<std::uint64_t, 16> sums{};
  std::size_t at = 0;
  for (; at + 128 <= bytes; at += 128) {
    for (std::size_t i = 0; i < sums.size(); ++i) {
      std::uint64_t word = 0;
      std::memcpy(&word, data + at + i * sizeof(word), sizeof(word));
      sums[i] += word;
    }
  }
  for (; at < bytes; ++at) sums[0] += static_cast<std::uint64_t>(data[at]);
  return std::accumulate(sums.begin(), sums.end(), std::uint64_t{0});
}

// The same read with the library's prefetch distance, so that the limit is a fair one.
std::uint64_t read_words_ahead(const std::byte* data, std::size_t bytes) {
  std::array<std::uint64_t, 8> sums{};
  std::size_t at = 0;
  for (; at + 64 <= bytes; at += 64) {
    __builtin_prefetch(
        reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(data + at) + 4096));
    for (std::size_t i = 0; i < sums.size(); ++i) {
      std::uint64_t word = 0;
      std::memcpy(&word, data + at + i * sizeof(word), sizeof(word));
      sums[i] += word;
    }
  }
  for (; at < bytes; ++at) sums[0] += static_cast<std::uint64_t>(data[at]);
  return std::accumulate(sums.begin(), sums.end(), std::uint64_t{0});
}

struct Piece {
  const std::byte* data;
  std::size_t bytes;
};

// The tensors in the pieces that the backend cuts, to be read by the same number of threads.
template <class T>
std::vector<Piece> pieces() {
  std::vector<Piece> cut;
  constexpr std::size_t most = reprise::HostBackend<reprise::Serial>::chunk_elements * sizeof(T);
  for (const auto& tensor : Gradients<T>::get().tensors) {
    const auto all = std::as_bytes(std::span(tensor));
    for (std::size_t at = 0; at < all.size(); at += most) {
      cut.push_back({all.data() + at, std::min(most, all.size() - at)});
    }
  }
  return cut;
}

template <std::uint64_t (*Read)(const std::byte*, std::size_t)>
void plain_read(benchmark::State& state) {
  const std::vector<Piece> cut = pieces<float>();
  const auto count = static_cast<std::ptrdiff_t>(cut.size());
  for (auto _ : state) {
    std::uint64_t sum = 0;
#pragma omp parallel for reduction(+ : sum)
    for (std::ptrdiff_t i = 0; i < count; ++i) {
      const Piece& piece = cut[static_cast<std::size_t>(i)];
      sum += Read(piece.data, piece.bytes);
    }
    benchmark::DoNotOptimize(sum);
  }
  count_bytes(state, Gradients<float>::get().bytes);
}

template <std::uint64_t (*Read)(const std::byte*, std::size_t)>
void plain_read_serial(benchmark::State& state) {
  const std::vector<Piece> cut = pieces<float>();
  for (auto _ : state) {
    std::uint64_t sum = 0;
    for (const Piece& piece : cut) sum += Read(piece.data, piece.bytes);
    benchmark::DoNotOptimize(sum);
  }
  count_bytes(state, Gradients<float>::get().bytes);
}

template <class System, class T>
void sum_of_squares(benchmark::State& state) {
  const Gradients<T>& gradients = Gradients<T>::get();
  const reprise::HostBackend<System> backend;
  const auto plan = backend.make_plan(gradients.views, gradients.layers);
  auto sums = backend.make_buffer(gradients.layers);
  for (auto _ : state) {
    backend.sum_of_squares(plan, sums);
    benchmark::DoNotOptimize(sums.data());
    benchmark::ClobberMemory();
  }
  count_bytes(state, gradients.bytes);
}

using EigenMap = Eigen::Map<const Eigen::VectorXf>;

// What a user writes: squaredNorm of each tensor, in float, on one thread.
void eigen_squared_norm(benchmark::State& state) {
  for (auto _ : state) {
    double sum = 0;
    for (const auto& tensor : Gradients<float>::get().tensors) {
      sum += EigenMap(tensor.data(), static_cast<Eigen::Index>(tensor.size())).squaredNorm();
    }
    benchmark::DoNotOptimize(sum);
  }
  count_bytes(state, Gradients<float>::get().bytes);
}

// The most that one can make of it: the backend's pieces, on all threads.
void eigen_squared_norm_parallel(benchmark::State& state) {
  const std::vector<Piece> cut = pieces<float>();
  const auto count = static_cast<std::ptrdiff_t>(cut.size());
  for (auto _ : state) {
    double sum = 0;
#pragma omp parallel for reduction(+ : sum)
    for (std::ptrdiff_t i = 0; i < count; ++i) {
      const Piece& piece = cut[static_cast<std::size_t>(i)];
      sum += EigenMap(reinterpret_cast<const float*>(piece.data),
                      static_cast<Eigen::Index>(piece.bytes / sizeof(float)))
                 .squaredNorm();
    }
    benchmark::DoNotOptimize(sum);
  }
  count_bytes(state, Gradients<float>::get().bytes);
}

// nrm2 of each tensor, with the threads that the BLAS chooses.
void blas_nrm2(benchmark::State& state) {
  for (auto _ : state) {
    double sum = 0;
    for (const auto& tensor : Gradients<float>::get().tensors) {
      const double norm = cblas_snrm2(static_cast<int>(tensor.size()), tensor.data(), 1);
      sum += norm * norm;
    }
    benchmark::DoNotOptimize(sum);
  }
  count_bytes(state, Gradients<float>::get().bytes);
}

}  // namespace

#define REPRISE_BENCHMARK(...) BENCHMARK(__VA_ARGS__)->Unit(benchmark::kMillisecond)->UseRealTime()

REPRISE_BENCHMARK(plain_read<read_words>);
REPRISE_BENCHMARK(plain_read<read_words_ahead>);
BENCHMARK_TEMPLATE(sum_of_squares, reprise::DefaultBackend::system_type, float)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
REPRISE_BENCHMARK(eigen_squared_norm_parallel);
REPRISE_BENCHMARK(blas_nrm2);
REPRISE_BENCHMARK(plain_read_serial<read_words>);
REPRISE_BENCHMARK(plain_read_serial<read_words_ahead>);
BENCHMARK_TEMPLATE(sum_of_squares, reprise::Serial, float)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
REPRISE_BENCHMARK(eigen_squared_norm);
BENCHMARK_TEMPLATE(sum_of_squares, reprise::DefaultBackend::system_type, double)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_TEMPLATE(sum_of_squares, reprise::DefaultBackend::system_type, reprise::float16)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_TEMPLATE(sum_of_squares, reprise::DefaultBackend::system_type, reprise::bfloat16)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
