// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The backend for tensors in host memory, over Thrust's host systems.

#include <thrust/execution_policy.h>
#include <thrust/transform.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <reprise/backend/backend.hpp>
#include <reprise/backend/block_reduction.hpp>
#include <reprise/backend/device_loss_scale.hpp>
#include <reprise/backend/element_type.hpp>
#include <reprise/backend/gradient_view.hpp>
#include <reprise/backend/host_system.hpp>
#include <reprise/backend/sum_of_squares.hpp>
#include <reprise/core/error.hpp>
#include <span>
#include <string>
#include <vector>

namespace reprise::inline v0 {

/// The backend for tensors in host memory; `System` models HostSystem: `Serial`, `OpenMP`, or `TBB`
/// from `host_tbb.hpp`.
///
/// The tensors are cut into chunks of at most 16,384 elements, whatever the number of threads. One
/// parallel pass takes each chunk to a double; what the chunks of a layer gave is then added in
/// order. So every system and every number of threads gives the same bits.
///
/// Objects are independent; one object is for one thread at a time, as its plans hold scratch
/// memory. Nothing allocates after a plan, buffer or readback is made.
template <HostSystem System>
class HostBackend {
 public:
  using system_type = System;               ///< whose threads do the work
  using buffer_type = std::vector<double>;  ///< the host's own memory

  /// Elements of one chunk at most. A constant of the arithmetic: another value gives other bits.
  static constexpr std::size_t chunk_elements = 16384;

  /// What is published is there at once.
  static constexpr std::size_t readback_delay = 0;

  /// The chunks of all tensors, ordered by layer.
  class gradient_plan {
   public:
    gradient_plan() = default;

    /// Layers of the plan, those without gradients included.
    [[nodiscard]] std::size_t layers() const noexcept { return first_chunk_.size() - 1; }
    /// Elements of all tensors.
    [[nodiscard]] std::size_t elements() const noexcept { return elements_; }

   private:
    friend class HostBackend;
    struct Chunk {
      const void* data;
      std::uint32_t size;
      ElementType type;
    };
    std::vector<Chunk> chunks_;
    std::vector<std::size_t> first_chunk_ = {0};  // of each layer, and the end
    std::size_t elements_ = 0;
    mutable std::vector<double> partials_;  // scratch: one for each chunk
  };

  /// The host's copy of what was published.
  class readback_type {
   public:
    readback_type() = default;

   private:
    friend class HostBackend;
    std::vector<double> values_;
    bool is_published_ = false;
  };

  /// `size` zeros.
  [[nodiscard]] buffer_type make_buffer(std::size_t size) const { return buffer_type(size); }

  /// Copies the first `out.size()` doubles of the buffer.
  void copy_to_host(const buffer_type& buffer, std::span<double> out) const noexcept {
    std::copy_n(buffer.begin(), out.size(), out.begin());
  }

  /// Replaces the first `in.size()` doubles of the buffer.
  void copy_from_host(std::span<const double> in, buffer_type& buffer) const noexcept {
    std::copy_n(in.begin(), in.size(), buffer.begin());
  }

  /// @throws InvalidArgument as `check_gradients` does
  void check(std::span<const GradientView> gradients, std::size_t layers) const {
    check_gradients(gradients, layers);
  }

  /// @throws InvalidArgument as `check_scale` does
  void check(const DeviceLossScale& scale) const { check_scale(scale); }

  /// Checks the gradients and cuts them into chunks. The order within a layer is the order given.
  /// Linear in the number of tensors, chunks and layers.
  /// @throws InvalidArgument as `check_gradients` does.
  [[nodiscard]] gradient_plan make_plan(std::span<const GradientView> gradients,
                                        std::size_t layers) const {
    check(gradients, layers);
    gradient_plan plan;
    plan.first_chunk_.assign(layers + 1, 0);
    for (const GradientView& view : gradients) {
      plan.first_chunk_[view.layer + 1] += (view.size + chunk_elements - 1) / chunk_elements;
      plan.elements_ += view.size;
    }
    std::partial_sum(plan.first_chunk_.begin(), plan.first_chunk_.end(), plan.first_chunk_.begin());
    plan.chunks_.resize(plan.first_chunk_.back());
    plan.partials_.resize(plan.first_chunk_.back());
    std::vector<std::size_t> next(plan.first_chunk_.begin(), plan.first_chunk_.end());
    for (const GradientView& view : gradients) {
      const auto* const bytes = static_cast<const std::byte*>(view.data);
      for (std::size_t at = 0; at < view.size; at += chunk_elements) {
        plan.chunks_[next[view.layer]++] = {
            bytes + at * element_bytes(view.type),
            static_cast<std::uint32_t>(std::min(chunk_elements, view.size - at)), view.type};
      }
    }
    return plan;
  }

  /// `sums[l]` becomes the sum of squares of layer l's elements, for each layer of the plan.
  /// One pass over the gradients, limited by memory; see `sum_of_squares` for the arithmetic.
  void sum_of_squares(const gradient_plan& plan, std::span<double> sums) const {
    reduce_chunks(plan, 0, plan.chunks_.size());
    for (std::size_t layer = 0; layer < plan.layers(); ++layer) {
      sums[layer] = sum_of_partials(plan, layer);
    }
  }

  /// `sums[at]` becomes the sum of squares of one layer's elements; the others stay.
  void sum_of_squares(const gradient_plan& plan, std::size_t layer, std::span<double> sums,
                      std::size_t at) const {
    reduce_chunks(plan, plan.first_chunk_[layer], plan.first_chunk_[layer + 1]);
    sums[at] = sum_of_partials(plan, layer);
  }

  /// Folds one step into the moments, or counts it as skipped; see the concept. Linear in layers.
  template <class Smoothing>
  void update_average(const Smoothing& smoothing, double factor, const buffer_type& sums,
                      buffer_type& moments, buffer_type& statistics) const noexcept {
    fold_by(smoothing, KnownFactor{factor}, sums, moments, statistics);
  }

  /// Reads the loss scale and folds one step into the moments, or counts it as skipped; see the
  /// concept. Linear in layers.
  template <class Smoothing>
  void update_average(const Smoothing& smoothing, const DeviceLossScale& scale,
                      const buffer_type& sums, buffer_type& moments,
                      buffer_type& statistics) const noexcept {
    fold_by(smoothing, scale, sums, moments, statistics);
  }

  /// A place on the host for `size` doubles.
  [[nodiscard]] readback_type make_readback(std::size_t size) const {
    readback_type readback;
    readback.values_.resize(size);
    return readback;
  }

  /// Copies as many doubles as the readback has.
  void publish(const buffer_type& buffer, readback_type& readback) const noexcept {
    std::copy_n(buffer.begin(), readback.values_.size(), readback.values_.begin());
    readback.is_published_ = true;
  }

  /// Nothing: a host has no graphs to launch again.
  void note_replays(readback_type& /*readback*/, std::uint64_t /*publications*/) const noexcept {}

  /// What was published last; empty before anything was.
  [[nodiscard]] std::span<const double> latest(const readback_type& readback) const noexcept {
    if (!readback.is_published_) return {};
    return readback.values_;
  }

 private:
  template <class Smoothing, NormFactor Factor>
  static void fold_by(const Smoothing& smoothing, const Factor& factor, const buffer_type& sums,
                      buffer_type& moments, buffer_type& statistics) noexcept {
    update_step(OneThread{}, smoothing, factor, StatisticsLayout{moments.size() - 2}, sums.data(),
                moments.data(), statistics.data());
  }

  static void reduce_chunks(const gradient_plan& plan, std::size_t first, std::size_t last) {
    const auto reduce = [](const typename gradient_plan::Chunk& chunk) {
      return with_element_type(chunk.type, [&chunk](auto element) {
        return reprise::sum_of_squares<decltype(element)>(chunk.data, chunk.size);
      });
    };
    const auto* const chunks = plan.chunks_.data();
    double* const partials = plan.partials_.data();
    if (last - first == 1) {  // not worth waking threads; who runs a chunk changes nothing

      thrust::transform(thrust::seq, chunks + first, chunks + last, partials + first, reduce);
    } else {
      thrust::transform(System::policy(), chunks + first, chunks + last, partials + first, reduce);
    }
  }

  static double sum_of_partials(const gradient_plan& plan, std::size_t layer) noexcept {
    return std::accumulate(
        plan.partials_.begin() + static_cast<std::ptrdiff_t>(plan.first_chunk_[layer]),
        plan.partials_.begin() + static_cast<std::ptrdiff_t>(plan.first_chunk_[layer + 1]), 0.0);
  }
};

static_assert(Backend<HostBackend<Serial>>);
#ifdef _OPENMP
static_assert(Backend<HostBackend<OpenMP>>);
/// The host backend that components take if they are not told otherwise: OpenMP's, and in a program
/// that is compiled without OpenMP the serial one, which gives the same bits.
using DefaultBackend = HostBackend<OpenMP>;
#else
using DefaultBackend = HostBackend<Serial>;
#endif

}  // namespace reprise::inline v0
