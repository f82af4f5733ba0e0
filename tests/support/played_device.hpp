// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The CUDA backend, played on the host.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <reprise/backend/backend.hpp>
#include <reprise/backend/block_reduction.hpp>
#include <reprise/backend/chunk_table.hpp>
#include <reprise/backend/device_loss_scale.hpp>
#include <reprise/backend/gradient_view.hpp>
#include <reprise/backend/publication_ring.hpp>
#include <span>
#include <vector>

#include "support/played_block.hpp"

namespace reprise_test {

/// A backend with the CUDA backend's kernels, block after block, and its delay, in host memory.
template <class Tuning = reprise::DefaultReductionTuning>
class PlayedDevice {
 public:
  using buffer_type = std::vector<double>;
  static constexpr std::size_t readback_delay = 1;

  struct gradient_plan {
    reprise::ChunkTable table;
    mutable std::vector<double> chunk_sums;
  };

  struct readback_type {
    using Ring = reprise::PublicationRing<readback_delay>;
    std::vector<std::vector<double>> slots;
    Ring ring;
  };

  [[nodiscard]] buffer_type make_buffer(std::size_t size) const { return buffer_type(size); }

  void copy_to_host(const buffer_type& buffer, std::span<double> out) const {
    std::copy_n(buffer.begin(), out.size(), out.begin());
  }
  void copy_from_host(std::span<const double> in, buffer_type& buffer) const {
    std::copy_n(in.begin(), in.size(), buffer.begin());
  }

  void check(std::span<const reprise::GradientView> gradients, std::size_t layers) const {
    reprise::check_gradients(gradients, layers);
  }
  void check(const reprise::DeviceLossScale& scale) const { reprise::check_scale(scale); }
  [[nodiscard]] gradient_plan make_plan(std::span<const reprise::GradientView> gradients,
                                        std::size_t layers) const {
    check(gradients, layers);
    gradient_plan plan{reprise::make_chunk_table(gradients, layers, Tuning::chunk_bytes), {}};
    plan.chunk_sums.resize(plan.table.chunks.size());
    return plan;
  }

  void sum_of_squares(const gradient_plan& plan, buffer_type& sums) const {
    for (std::size_t layer = 0; layer < plan.table.layers(); ++layer) {
      sum_of_squares(plan, layer, sums, layer);
    }
  }
  void sum_of_squares(const gradient_plan& plan, std::size_t layer, buffer_type& sums,
                      std::size_t at) const {
    const std::uint32_t first = plan.table.first_chunk[layer];
    const std::uint32_t last = plan.table.first_chunk[layer + 1];
    for (std::uint32_t chunk = first; chunk < last; ++chunk) {
      reprise::reduce_chunk<Tuning, reprise::HostAccess>(
          PlayedBlock<Tuning::chunk_threads>{}, plan.table.chunks[chunk], plan.chunk_sums[chunk]);
    }
    reprise::reduce_layer(PlayedBlock<Tuning::layer_threads>{}, plan.chunk_sums.data(), first, last,
                          sums[at]);
  }

  template <class Smoothing>
  void update_average(const Smoothing& smoothing, double factor, const buffer_type& sums,
                      buffer_type& moments, buffer_type& statistics) const {
    fold_by(smoothing, reprise::KnownFactor{factor}, sums, moments, statistics);
  }
  template <class Smoothing>
  void update_average(const Smoothing& smoothing, const reprise::DeviceLossScale& scale,
                      const buffer_type& sums, buffer_type& moments,
                      buffer_type& statistics) const {
    fold_by(smoothing, scale, sums, moments, statistics);
  }

  [[nodiscard]] readback_type make_readback(std::size_t size) const {
    return {std::vector(readback_type::Ring::slots, std::vector<double>(size)), {}};
  }
  void publish(const buffer_type& buffer, readback_type& readback) const {
    auto& slot = readback.slots[readback_type::Ring::slot(readback.ring.next())];
    std::copy_n(buffer.begin(), slot.size(), slot.begin());
    readback.ring.advance();
  }
  void note_replays(readback_type& readback, std::uint64_t publications) const {
    readback.ring.advance(publications);
  }
  [[nodiscard]] std::span<const double> latest(const readback_type& readback) const {
    const std::optional<std::uint64_t> publication = readback.ring.visible();
    if (!publication) return {};
    return readback.slots[readback_type::Ring::slot(*publication)];
  }

 private:
  template <class Smoothing, reprise::NormFactor Factor>
  static void fold_by(const Smoothing& smoothing, const Factor& factor, const buffer_type& sums,
                      buffer_type& moments, buffer_type& statistics) {
    reprise::update_step(PlayedBlock<512>{}, smoothing, factor,
                         reprise::StatisticsLayout{moments.size() - 2}, sums.data(), moments.data(),
                         statistics.data());
  }
};
static_assert(reprise::Backend<PlayedDevice<>>);

}  // namespace reprise_test
