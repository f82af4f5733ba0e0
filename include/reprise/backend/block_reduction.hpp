// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What a block of a device's threads does for the statistics: the bodies of the kernels, which a
/// host can run as well.

#include <array>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <reprise/backend/backend.hpp>
#include <reprise/backend/chunk_table.hpp>
#include <reprise/backend/device_loss_scale.hpp>
#include <reprise/backend/element_type.hpp>
#include <type_traits>

namespace reprise::inline v0 {

/// 16 bytes, the most that a thread loads at once.
struct alignas(16) Packet {
  std::array<std::uint32_t, 4> words;  ///< as they lie in memory
};

/// What the host takes for `ElementAccess`.
struct HostAccess {
  /// 16 bytes at a multiple of 16.
  [[nodiscard]] static Packet load(const std::byte* from) noexcept {
    Packet packet;
    std::memcpy(&packet, from, sizeof(packet));
    return packet;
  }
  /// One element.
  template <Element T>
  [[nodiscard]] static T load_element(const std::byte* from) noexcept {
    T element;
    std::memcpy(&element, from, sizeof(T));
    return element;
  }
  /// The value, exactly.
  [[nodiscard]] static float widen(float16 half) noexcept { return static_cast<float>(half); }
  /// a b + c, rounded once.
  template <std::floating_point F>
  [[nodiscard]] static F multiply_add(F a, F b, F c) noexcept {
    return std::fma(a, b, c);
  }
};

/// How a thread gets at elements and squares them: by what its machine has for that. All models
/// give the same bits.
template <class A>
concept ElementAccess = requires(const std::byte* from, float16 half, float a, double b) {
  { A::load(from) } -> std::same_as<Packet>;
  { A::template load_element<bfloat16>(from) } -> std::same_as<bfloat16>;
  { A::widen(half) } -> std::same_as<float>;
  { A::multiply_add(a, a, a) } -> std::same_as<float>;
  { A::multiply_add(b, b, b) } -> std::same_as<double>;
};
static_assert(ElementAccess<HostAccess>);

/// A block of threads that work together: `Block::threads` of them.
///
/// - `block.sum(f, out)`: `out` becomes the sum of `f(thread)` over all threads, added in an order
///   that does not change.
/// - `block.all(f)`: whether `f(thread)` is true in all threads; none goes on before all have come.
/// - `block.each(f)`: calls `f(thread)` in each thread.
template <class B>
concept ThreadBlock = requires(B block, double (*number)(std::uint32_t), double& out,
                               bool (*condition)(std::uint32_t), void (*action)(std::uint32_t)) {
  { B::threads } -> std::convertible_to<std::uint32_t>;
  block.sum(number, out);
  { block.all(condition) } -> std::same_as<bool>;
  block.each(action);
};

/// The smallest block, for hosts.
struct OneThread {
  static constexpr std::uint32_t threads = 1;  ///< the caller's, number 0

  /// `out` becomes `f(0)`.
  template <class F>
  constexpr void sum(F f, double& out) const {
    out = f(std::uint32_t{0});
  }
  /// What `f(0)` says: there are no other threads.
  template <class F>
  [[nodiscard]] constexpr bool all(F f) const {
    return f(std::uint32_t{0});
  }
  /// Calls `f(0)`.
  template <class F>
  constexpr void each(F f) const {
    f(std::uint32_t{0});
  }
};
static_assert(ThreadBlock<OneThread>);

/// The numbers that the speed of the reduction hangs on, in the manner of CUB's tuning policies.
/// The chunk, the threads and the packets are part of the order of additions as well: others give
/// other bits.
/// @tparam ChunkBytes      of a chunk at most
/// @tparam ChunkThreads    threads that reduce a chunk
/// @tparam PacketsInFlight 16-byte loads that a thread has under way
/// @tparam ChunkBlocks     blocks that a multiprocessor should hold at once, which bounds registers
/// @tparam LayerThreads    threads that add up the chunks of a layer
template <std::size_t ChunkBytes, std::uint32_t ChunkThreads, std::uint32_t PacketsInFlight,
          std::uint32_t ChunkBlocks, std::uint32_t LayerThreads>
struct ReductionTuning {
  /// Of a chunk at most, a multiple of 16.
  static constexpr std::size_t chunk_bytes = ChunkBytes;
  /// Threads that reduce a chunk, whole warps.
  static constexpr std::uint32_t chunk_threads = ChunkThreads;
  /// Loads of 16 bytes that a thread has under way.
  static constexpr std::uint32_t packets_in_flight = PacketsInFlight;
  /// Blocks that a multiprocessor should hold at once.
  static constexpr std::uint32_t chunk_blocks = ChunkBlocks;
  /// Threads that add up the chunks of a layer, whole warps.
  static constexpr std::uint32_t layer_threads = LayerThreads;
  static_assert(chunk_bytes % 16 == 0 && chunk_threads % 32 == 0 && layer_threads % 32 == 0);
};

/// Chosen by what fills the memory system of an A100 or H100 on paper: 96 KiB of loads under way on
/// each multiprocessor. Not yet tuned on a GPU.
using DefaultReductionTuning = ReductionTuning<32768, 256, 4, 6, 128>;

/// Whether a number is neither infinite nor NaN.
[[nodiscard]] constexpr bool is_finite(double value) noexcept {
  constexpr std::uint64_t exponent = 0x7FF0'0000'0000'0000U;
  return (std::bit_cast<std::uint64_t>(value) & exponent) != exponent;
}

/// Four sums that a thread adds squares to in turn, so that none has to wait for the one before.
/// @tparam Sum what they are added in
template <std::floating_point Sum, ElementAccess Access>
class LaneSums {
 public:
  /// Adds the square of an element.
  template <Element T>
  constexpr void add(T element, std::size_t lane) noexcept {
    const Sum value = as_number(element);
    sums_[lane] = Access::multiply_add(value, value, sums_[lane]);
  }

  /// Adds the squares of a packet of elements; element i goes to lane i mod 4.
  template <Element T>
  constexpr void add_packet(const Packet& packet) noexcept {
    constexpr std::size_t count = sizeof(Packet) / sizeof(T);
    const auto elements = std::bit_cast<std::array<T, count>>(packet);
    for (std::size_t i = 0; i < count; ++i) add(elements[i], i % lanes);
  }

  /// The sum of the lanes, in double.
  [[nodiscard]] constexpr double total() const noexcept {
    return (static_cast<double>(sums_[0]) + static_cast<double>(sums_[1])) +
           (static_cast<double>(sums_[2]) + static_cast<double>(sums_[3]));
  }

 private:
  static constexpr std::size_t lanes = 4;

  template <Element T>
  static constexpr Sum as_number(T element) noexcept {
    if constexpr (std::is_same_v<T, float16>) {
      return Access::widen(element);
    } else if constexpr (std::is_same_v<T, bfloat16>) {
      return static_cast<float>(element);
    } else {
      return static_cast<Sum>(element);
    }
  }

  std::array<Sum, lanes> sums_{};
};

/// What one thread adds up of a chunk: of each row of `Tuning::chunk_threads` packets its own, and
/// one of the few elements before the first boundary of 16 bytes and behind the last.
template <Element T, std::floating_point Sum, class Tuning, ElementAccess Access>
[[nodiscard]] constexpr double sum_of_thread(const std::byte* data, std::uint32_t size,
                                             std::uint32_t thread) noexcept {
  constexpr auto per_packet = static_cast<std::uint32_t>(sizeof(Packet) / sizeof(T));
  constexpr std::uint32_t threads = Tuning::chunk_threads;
  constexpr std::uint32_t in_flight = Tuning::packets_in_flight;
  const auto behind = static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(data) %
                                                 sizeof(Packet) / sizeof(T));
  const std::uint32_t to_boundary = behind == 0 ? 0 : per_packet - behind;
  const std::uint32_t head = to_boundary < size ? to_boundary : size;
  const std::uint32_t packets = (size - head) / per_packet;
  const std::uint32_t tail = head + packets * per_packet;
  const std::byte* const body = data + head * sizeof(T);

  LaneSums<Sum, Access> sums;
  std::uint32_t at = thread;
  for (; at + (in_flight - 1) * threads < packets; at += in_flight * threads) {
    std::array<Packet, in_flight> loaded;
    for (std::uint32_t i = 0; i < in_flight; ++i) {
      loaded[i] = Access::load(body + std::size_t{at + i * threads} * sizeof(Packet));
    }
    for (std::uint32_t i = 0; i < in_flight; ++i) sums.template add_packet<T>(loaded[i]);
  }
  for (; at < packets; at += threads) {
    sums.template add_packet<T>(Access::load(body + std::size_t{at} * sizeof(Packet)));
  }
  const std::uint32_t single = thread < head ? thread : tail + (thread - head);
  if (single < size) {
    sums.add(Access::template load_element<T>(data + single * sizeof(T)), 0);
  }
  return sums.total();
}

/// The first kernel: a block takes one chunk to the sum of its squares.
///
/// A thread adds in float (of doubles, in double), everything beyond in double. Where a sum in
/// float is not finite the thread adds anew in double, so that only elements that are not finite
/// themselves come through. Squares below the smallest float, those of elements under 1e-19, are
/// rounded or lost.
template <class Tuning, ElementAccess Access, ThreadBlock Block>
constexpr void reduce_chunk(Block block, const Chunk& chunk, double& sum) {
  block.sum(
      [chunk](std::uint32_t thread) {
        return with_element_type(chunk.type, [chunk, thread](auto element) {
          using T = decltype(element);
          if constexpr (!std::is_same_v<T, double>) {
            const double in_float =
                sum_of_thread<T, float, Tuning, Access>(chunk.data, chunk.size, thread);
            if (is_finite(in_float)) return in_float;
          }
          return sum_of_thread<T, double, Tuning, Access>(chunk.data, chunk.size, thread);
        });
      },
      sum);
}

/// The second kernel: a block adds up what the chunks of one layer gave.
template <ThreadBlock Block>
constexpr void reduce_layer(Block block, const double* chunk_sums, std::uint32_t first,
                            std::uint32_t last, double& sum) {
  block.sum(
      [=](std::uint32_t thread) {
        double mine = 0;
        for (std::uint32_t chunk = first + thread; chunk < last; chunk += Block::threads) {
          mine += chunk_sums[chunk];
        }
        return mine;
      },
      sum);
}

/// Says what the sums of a step are multiplied by, when the step is folded: `factor()`. Where that
/// is not finite, the step is skipped.
template <class F>
concept NormFactor = requires(const F& factor) {
  { factor() } -> std::same_as<double>;
};
static_assert(NormFactor<DeviceLossScale>);

/// A factor that the host knows when it enqueues the step. Models NormFactor.
struct KnownFactor {
  double factor = 1.0;  ///< as it is

  /// The factor.
  [[nodiscard]] constexpr double operator()() const noexcept { return factor; }
};
static_assert(NormFactor<KnownFactor>);

/// The third kernel, of one block: folds the sums of one step into the moments, or counts the step
/// as skipped; see the concept Backend.
template <ThreadBlock Block, class Smoothing, NormFactor Factor>
constexpr void update_step(Block block, const Smoothing& smoothing, const Factor& norm_factor,
                           StatisticsLayout layout, const double* sums, double* moments,
                           double* statistics) {
  const double factor = norm_factor();
  const double updates = moments[layout.updates()];
  const double skipped = moments[layout.skipped()];
  const auto for_each_layer = [layers = layout.layers](std::uint32_t thread, auto f) {
    for (std::size_t layer = thread; layer < layers; layer += Block::threads) f(layer);
  };
  const bool is_folded = block.all([&](std::uint32_t thread) {
    bool is_good = is_finite(factor);  // of a model without layers, too
    for_each_layer(thread, [&](std::size_t layer) {
      is_good = is_good && is_finite(sums[layer]) && is_finite(sums[layer] * factor);
    });
    return is_good;
  });
  block.each([&](std::uint32_t thread) {
    if (is_folded) {
      for_each_layer(thread, [&](std::size_t layer) {
        moments[layer] = smoothing(moments[layer], sums[layer] * factor);
        statistics[layer] =
            smoothing.estimate(moments[layer], static_cast<std::uint64_t>(updates) + 1);
      });
    }
    if (thread == 0) {
      moments[layout.updates()] = updates + (is_folded ? 1 : 0);
      moments[layout.skipped()] = skipped + (is_folded ? 0 : 1);
      statistics[layout.updates()] = moments[layout.updates()];
      statistics[layout.skipped()] = moments[layout.skipped()];
    }
  });
}

}  // namespace reprise::inline v0
