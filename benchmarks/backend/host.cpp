// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// The multi-tensor sum of squares on GPT-2 124M's 148 gradients (498 MB in float), beside what a
// user would do instead and beside a plain read of the same bytes, the limit. The counters are
// bandwidths as shares of the plain read's, by processor time; Eigen and BLAS accumulate in float
// or, of doubles, in double.

#include <benchmark/benchmark.h>

#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <numeric>
#include <reprise/backend/element_type.hpp>
#include <reprise/backend/gradient_view.hpp>
#include <reprise/backend/host.hpp>
#include <reprise/backend/instruction_set.hpp>
#include <reprise/backend/sum_of_squares.hpp>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/gpt2_lengths.hpp"
#include "support/in_turn.hpp"

#if REPRISE_HAS_CBLAS
#include <cblas.h>
#endif

namespace {

// The gradients of GPT-2 with elements of type T; a layer for each block, embeddings with the
// first.
template <class T>
struct Gradients {
  std::vector<std::vector<T>> tensors;
  std::vector<reprise::GradientView> views;
  std::size_t layers = 12;

  static const Gradients& get() {
    static const Gradients instance;
    return instance;
  }

 private:
  Gradients() {
    const std::vector<T> pattern = numbers_around_zero();
    for (const std::size_t length : reprise_bench::gpt2_lengths()) {
      const std::size_t i = tensors.size();
      std::vector<T>& tensor = tensors.emplace_back(length);
      for (std::size_t at = 0; at < length; at += pattern.size()) {
        std::copy_n(pattern.begin(), std::min(pattern.size(), length - at),
                    tensor.begin() + static_cast<std::ptrdiff_t>(at));
      }
      const auto layer =
          static_cast<std::uint32_t>(i < 2 ? 0 : std::min<std::size_t>(11, (i - 2) / 12));
      views.push_back(reprise::gradient_view(tensor, layer));
    }
  }

  static std::vector<T> numbers_around_zero() {
    std::vector<T> pattern(2001);
    for (std::size_t i = 0; i < pattern.size(); ++i) {
      const float value = static_cast<float>(i * 2654435761U % 2001U) * 1e-3F - 1.0F;
      if constexpr (sizeof(T) == 2) {
        pattern[i] = T::from_float(value);
      } else {
        pattern[i] = value;
      }
    }
    return pattern;
  }
};

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

// The same read asking for what comes next, so that the limit is a fair one.
std::uint64_t read_words_ahead(const std::byte* data, std::size_t bytes) {
  std::array<std::uint64_t, 8> sums{};
  std::size_t at = 0;
  for (; at + 64 <= bytes; at += 64) {
    __builtin_prefetch(
        reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(data + at) + 4096), 0, 2);
    for (std::size_t i = 0; i < sums.size(); ++i) {
      std::uint64_t word = 0;
      std::memcpy(&word, data + at + i * sizeof(word), sizeof(word));
      sums[i] += word;
    }
  }
  for (; at < bytes; ++at) sums[0] += static_cast<std::uint64_t>(data[at]);
  return std::accumulate(sums.begin(), sums.end(), std::uint64_t{0});
}

// The same read by wide loads, two lines in a round.
template <class I>
struct WideRead {
  const std::byte* data;
  std::size_t bytes;

  [[gnu::always_inline]] double operator()() const noexcept {
    using Words =
        reprise::instruction_sets::Vector<std::uint64_t, I::template lanes<std::uint64_t>>;
    std::array<Words, 128 / sizeof(Words)> sums{};
    for (std::size_t at = 0; at + 128 <= bytes; at += 128) {
#ifdef __clang__
#pragma clang loop unroll(full)
#else
#pragma GCC unroll 16
#endif
      for (std::size_t i = 0; i < sums.size(); ++i) {
        Words words;
        std::memcpy(&words, data + at + i * sizeof(words), sizeof(words));
        sums[i] += words;
      }
    }
    std::array<std::uint64_t, 16> words;
    std::memcpy(&words, &sums, sizeof(words));
    return static_cast<double>(std::accumulate(words.begin(), words.end(), std::uint64_t{0}));
  }
};

// The tensors in the pieces that the backend cuts, to be read by the same number of threads.
template <class T>
std::vector<std::span<const T>> pieces() {
  constexpr std::size_t most = reprise::HostBackend<reprise::Serial>::chunk_elements;
  std::vector<std::span<const T>> cut;
  for (const auto& tensor : Gradients<T>::get().tensors) {
    const std::span<const T> all(tensor);
    for (std::size_t at = 0; at < all.size(); at += most) {
      cut.push_back(all.subspan(at, std::min(most, all.size() - at)));
    }
  }
  return cut;
}

// Takes all pieces and adds up what `f` makes of each.
template <class System, class T, class F>
auto over_pieces(F f) {
  return [cut = pieces<T>(), f] {
    using Sum = decltype(f(cut[0]));
    Sum sum{};
    if constexpr (std::is_same_v<System, reprise::Serial>) {
      for (const std::span<const T> piece : cut) sum += f(piece);
    } else {
      const auto count = static_cast<std::ptrdiff_t>(cut.size());
#pragma omp parallel for reduction(+ : sum)
      for (std::ptrdiff_t i = 0; i < count; ++i) sum += f(cut[static_cast<std::size_t>(i)]);
    }
    benchmark::DoNotOptimize(sum);
  };
}

template <class System, class T, std::uint64_t (*Read)(const std::byte*, std::size_t)>
std::function<void()> plain_read() {
  return over_pieces<System, T>([](std::span<const T> piece) {
    const auto bytes = std::as_bytes(piece);
    return Read(bytes.data(), bytes.size());
  });
}

template <class System, class T>
std::function<void()> reprise_sums() {
  const Gradients<T>& gradients = Gradients<T>::get();
  const reprise::HostBackend<System> backend;
  return [backend, plan = backend.make_plan(gradients.views, gradients.layers),
          sums = backend.make_buffer(gradients.layers)]() mutable {
    backend.sum_of_squares(plan, sums);
    benchmark::DoNotOptimize(sums.data());
    benchmark::ClobberMemory();
  };
}

template <class T>
double eigen_squared_norm(std::span<const T> piece) {
  const auto size = static_cast<Eigen::Index>(piece.size());
  if constexpr (sizeof(T) == 2) {
    using Half =
        std::conditional_t<std::is_same_v<T, reprise::float16>, Eigen::half, Eigen::bfloat16>;
    static_assert(sizeof(Half) == sizeof(T));
    const auto* const data = reinterpret_cast<const Half*>(piece.data());
    using Halves = Eigen::Matrix<Half, Eigen::Dynamic, 1>;
    return Eigen::Map<const Halves>(data, size).template cast<float>().squaredNorm();
  } else {
    using Vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;
    return Eigen::Map<const Vector>(piece.data(), size).squaredNorm();
  }
}

// squaredNorm of the pieces that the backend cuts, on as many threads: the most that one can make
// of it.
template <class System, class T>
std::function<void()> eigen_pieces() {
  return over_pieces<System, T>(eigen_squared_norm<T>);
}

#if REPRISE_HAS_CBLAS
// nrm2 of each tensor, with the threads that the BLAS chooses.
template <class T>
void blas_tensors() {
  double sum = 0;
  for (const std::vector<T>& tensor : Gradients<T>::get().tensors) {
    double norm = 0;
    if constexpr (std::is_same_v<T, float>) {
      norm = cblas_snrm2(static_cast<int>(tensor.size()), tensor.data(), 1);
    } else {
      norm = cblas_dnrm2(static_cast<int>(tensor.size()), tensor.data(), 1);
    }
    sum += norm * norm;
  }
  benchmark::DoNotOptimize(sum);
}
#endif

// The read and the sum by instructions that the library may choose.
template <class System, class T, class I>
void add_instructions(std::vector<reprise_bench::Way>& ways, const std::string& name) {
  if (!I::is_available()) return;
  ways.push_back({"read_" + name, over_pieces<System, T>([](std::span<const T> piece) {
                    const auto bytes = std::as_bytes(piece);
                    return I::run(WideRead<I>{bytes.data(), bytes.size()});
                  })});
  ways.push_back({name, over_pieces<System, T>([](std::span<const T> piece) {
                    return reprise::sum_of_squares<T, I>(piece.data(), piece.size());
                  })});
}

template <class System, class T>
void sum_of_squares(benchmark::State& state) {
  std::vector<reprise_bench::Way> ways{
      {"plain_read", plain_read<System, T, read_words>()},
      {"read_ahead", plain_read<System, T, read_words_ahead>()},
      {"reprise", reprise_sums<System, T>()},
      {"eigen", eigen_pieces<System, T>()},
  };
  add_instructions<System, T, reprise::instruction_sets::Portable>(ways, "portable");
#ifdef __x86_64__
  add_instructions<System, T, reprise::instruction_sets::Avx2>(ways, "avx2");
  add_instructions<System, T, reprise::instruction_sets::Avx512>(ways, "avx512");
#endif
#if REPRISE_HAS_CBLAS
  if constexpr (sizeof(T) > 2) ways.push_back({"blas", blas_tensors<T>});
#endif
  reprise_bench::InTurn in_turn(std::move(ways), reprise_bench::cpu_seconds_of);
  in_turn.run(state);
  in_turn.for_each_ratio(
      [&](const std::string& name, double ratio) { state.counters[name] = 1 / ratio; });
  std::int64_t bytes = 0;
  for (const auto& tensor : Gradients<T>::get().tensors) {
    bytes += static_cast<std::int64_t>(std::as_bytes(std::span(tensor)).size());
  }
  state.SetBytesProcessed(state.iterations() * bytes);
}

void settings(benchmark::internal::Benchmark* benchmark) {
  benchmark->Unit(benchmark::kMillisecond)->UseManualTime();
}

using Parallel = reprise::DefaultBackend::system_type;
using reprise::Serial;

}  // namespace

BENCHMARK_TEMPLATE(sum_of_squares, Parallel, float)->Apply(settings);
BENCHMARK_TEMPLATE(sum_of_squares, Parallel, double)->Apply(settings);
BENCHMARK_TEMPLATE(sum_of_squares, Parallel, reprise::float16)->Apply(settings);
BENCHMARK_TEMPLATE(sum_of_squares, Parallel, reprise::bfloat16)->Apply(settings);
BENCHMARK_TEMPLATE(sum_of_squares, Serial, float)->Apply(settings);
BENCHMARK_TEMPLATE(sum_of_squares, Serial, double)->Apply(settings);
BENCHMARK_TEMPLATE(sum_of_squares, Serial, reprise::float16)->Apply(settings);
BENCHMARK_TEMPLATE(sum_of_squares, Serial, reprise::bfloat16)->Apply(settings);
