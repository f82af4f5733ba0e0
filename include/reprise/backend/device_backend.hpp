// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The backend for tensors in a device's memory.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <reprise/backend/backend.hpp>
#include <reprise/backend/block_reduction.hpp>
#include <reprise/backend/chunk_table.hpp>
#include <reprise/backend/device_buffer.hpp>
#include <reprise/backend/device_error.hpp>
#include <reprise/backend/device_event.hpp>
#include <reprise/backend/device_loss_scale.hpp>
#include <reprise/backend/device_memory.hpp>
#include <reprise/backend/device_pinned_buffer.hpp>
#include <reprise/backend/device_runtime.hpp>
#include <reprise/backend/device_stream.hpp>
#include <reprise/backend/device_sum_of_squares.hpp>
#include <reprise/backend/gradient_view.hpp>
#include <reprise/backend/publication_ring.hpp>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

namespace reprise::inline v0 {

/// The backend for tensors in a device's memory: all that it does, it enqueues in one stream.
///
/// A step is three kernels and a copy: two that reduce (see DeviceSumOfSquares for the arithmetic
/// and its order), one that folds, and the transfer of a double a layer to pinned memory. Nothing
/// waits but `copy_to_host`, `copy_from_host` and, for a transfer that is a step old, `latest`.
/// Nothing allocates after a plan, buffer or readback is made, so that steps can be captured in a
/// graph: capture `readback_delay + 1` steps in turn, or a multiple of that, and tell each replay
/// to `note_replays`.
///
/// The current device must be the stream's in each call. Errors are DeviceError; after a sticky
/// one, what had reached the host stays readable. Smoothings must be trivially copyable.
/// @tparam R      the device runtime, with kernels
/// @tparam Tuning a ReductionTuning
template <DeviceRuntime R, class Tuning = DefaultReductionTuning>
class DeviceBackend {
 public:
  /// Doubles on the device.
  using buffer_type = DeviceBuffer<double, R>;
  /// The chunks of all tensors, uploaded once.
  using gradient_plan = DeviceSumOfSquares<R, Tuning>;

  /// The host reads what was published one publication before the last.
  static constexpr std::size_t readback_delay = 1;

  /// Pinned copies of the last publications, and when they arrive.
  class readback_type {
   public:
    readback_type() = default;

   private:
    friend class DeviceBackend;
    using Ring = PublicationRing<readback_delay>;

    struct State {
      explicit State(std::size_t size) : values(Ring::slots * size) {
        for (DeviceEvent<R>& event : arrived) event = DeviceEvent<R>::make();
      }
      State(const State&) = delete;
      State& operator=(const State&) = delete;
      ~State() {  // the device may still be writing
        for (const DeviceEvent<R>& event : arrived) {
          ignore_failure([&event] { event.synchronize(); });
        }
      }

      DevicePinnedBuffer<double, R> values;
      std::array<DeviceEvent<R>, Ring::slots> arrived;
      Ring ring;
      std::uint64_t known = 0;  // publications of which it is known that they arrived
    };

    explicit readback_type(std::size_t size) : state_(std::make_unique<State>(size)) {}

    [[nodiscard]] std::span<double> slot(std::uint64_t publication) const noexcept {
      const std::size_t size = state_->values.size() / Ring::slots;
      return state_->values.elements().subspan(Ring::slot(publication) * size, size);
    }

    std::unique_ptr<State> state_;
  };

  /// A backend with a stream of its own, which nothing else is ordered with: for tests, and for
  /// tensors that are written before they are handed over. @throws DeviceError
  DeviceBackend() : DeviceBackend(DeviceStream<R>{}) {}

  /// A backend that works in the caller's stream, with memory from the caller's resource.
  explicit DeviceBackend(DeviceStream<R> stream, DeviceMemory<R> memory = DeviceMemory<R>{})
      : stream_(std::move(stream)), memory_(std::move(memory)) {}

  /// The stream that everything is enqueued in.
  [[nodiscard]] const DeviceStream<R>& stream() const noexcept { return stream_; }

  /// `size` zeros. @throws DeviceError
  [[nodiscard]] buffer_type make_buffer(std::size_t size) const {
    buffer_type buffer(size, memory_, stream_);
    buffer.clear();
    return buffer;
  }

  /// Copies the first `out.size()` doubles of the buffer and waits for the stream.
  /// @throws DeviceError
  void copy_to_host(const buffer_type& buffer, std::span<double> out) const {
    buffer.copy_to(out);
    stream_.synchronize();
  }

  /// Replaces the first `in.size()` doubles of the buffer and waits for the stream.
  /// @throws DeviceError
  void copy_from_host(std::span<const double> in, buffer_type& buffer) const {
    buffer.copy_from(in);
    stream_.synchronize();
  }

  /// What `check_gradients` checks, and that each tensor lies in memory of the stream's device, or
  /// in managed memory. @throws InvalidArgument, DeviceError
  void check(std::span<const GradientView> gradients, std::size_t layers) const {
    check_gradients(gradients, layers);
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      if (gradients[i].size == 0) continue;
      const std::string fault = fault_of(gradients[i].data);
      if (!fault.empty()) refuse_gradient(i, gradients[i], "it " + fault);
    }
  }

  /// What `check_scale` checks, and that the loss scale lies in memory of the stream's device, or
  /// in managed memory. @throws InvalidArgument, DeviceError
  void check(const DeviceLossScale& scale) const {
    check_scale(scale);
    const std::string fault = fault_of(scale.loss_scale);
    if (!fault.empty()) refuse_scale("the loss scale " + fault);
  }

  /// Checks the gradients, cuts them into chunks and uploads the table.
  /// @throws InvalidArgument as `check` does, DeviceError
  [[nodiscard]] gradient_plan make_plan(std::span<const GradientView> gradients,
                                        std::size_t layers) const {
    check(gradients, layers);
    return gradient_plan(make_chunk_table(gradients, layers, Tuning::chunk_bytes), memory_,
                         stream_);
  }

  /// Enqueues `sums[l]` = the sum of squares of layer l, for each layer: two kernels.
  /// @throws DeviceError
  void sum_of_squares(const gradient_plan& plan, buffer_type& sums) const {
    plan(stream_, sums.data());
  }

  /// Enqueues `sums[at]` = the sum of squares of one layer. @throws DeviceError
  void sum_of_squares(const gradient_plan& plan, std::size_t layer, buffer_type& sums,
                      std::size_t at) const {
    plan(stream_, layer, sums.data() + at);
  }

  /// Enqueues the folding of one step; see the concept. One kernel of one block.
  /// @throws DeviceError
  template <class Smoothing>
  void update_average(const Smoothing& smoothing, double factor, const buffer_type& sums,
                      buffer_type& moments, buffer_type& statistics) const {
    fold_by(smoothing, KnownFactor{factor}, sums, moments, statistics);
  }

  /// Enqueues the folding of one step by the loss scale that its memory holds by then; see the
  /// concept. One kernel of one block. @throws DeviceError
  template <class Smoothing>
  void update_average(const Smoothing& smoothing, const DeviceLossScale& scale,
                      const buffer_type& sums, buffer_type& moments,
                      buffer_type& statistics) const {
    fold_by(smoothing, scale, sums, moments, statistics);
  }

  /// Pinned memory for the last publications of `size` doubles. @throws DeviceError
  [[nodiscard]] readback_type make_readback(std::size_t size) const { return readback_type(size); }

  /// Enqueues the transfer of as many doubles as the readback has. @throws DeviceError
  void publish(const buffer_type& buffer, readback_type& readback) const {
    auto& state = *readback.state_;
    const std::uint64_t publication = state.ring.next();
    buffer.copy_to(readback.slot(publication));
    state.arrived[readback_type::Ring::slot(publication)].record_for_host(stream_);
    state.ring.advance();
  }

  /// Counts the publications of graphs that were launched again.
  void note_replays(readback_type& readback, std::uint64_t publications) const noexcept {
    readback.state_->ring.advance(publications);
  }

  /// What was published one publication before the last, once it has arrived; empty before.
  /// @throws DeviceError
  [[nodiscard]] std::span<const double> latest(const readback_type& readback) const {
    auto& state = *readback.state_;
    const std::optional<std::uint64_t> publication = state.ring.visible();
    if (!publication) return {};
    if (state.known <= *publication) {
      state.arrived[readback_type::Ring::slot(*publication)].synchronize();
      state.known = *publication + 1;
    }
    return readback.slot(*publication);
  }

 private:
  // Why kernels in the stream cannot read that memory at full speed; empty if they can.
  [[nodiscard]] std::string fault_of(const void* memory) const {
    const DevicePointer pointer = R::locate(memory);
    if (!pointer.is_on_device) return "lies in host memory";
    if (pointer.device == stream_.device()) return {};
    return "lies on device " + std::to_string(pointer.device) +
           ", the backend's stream on device " + std::to_string(stream_.device());
  }

  template <class Smoothing, NormFactor Factor>
  void fold_by(const Smoothing& smoothing, const Factor& factor, const buffer_type& sums,
               buffer_type& moments, buffer_type& statistics) const {
    static_assert(std::is_trivially_copyable_v<Smoothing>, "a kernel takes it by value");
    R::kernels::update_average(stream_, smoothing, factor, StatisticsLayout{moments.size() - 2},
                               sums.data(), moments.data(), statistics.data());
  }

  DeviceStream<R> stream_;
  DeviceMemory<R> memory_;
};

}  // namespace reprise::inline v0
