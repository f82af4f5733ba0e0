// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What Reprise asks of a machine.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <reprise/backend/device_loss_scale.hpp>
#include <reprise/backend/gradient_view.hpp>
#include <span>

namespace reprise::inline v0 {

/// Where the two counters lie in the buffers that `update_average` keeps: after one double for each
/// layer. They are doubles in the backend's memory because only the backend knows, when it has run,
/// whether a step was finite; whole numbers are exact in them up to 2^53.
struct StatisticsLayout {
  std::size_t layers = 0;  ///< the doubles before the counters
  /// How many steps were folded in.
  [[nodiscard]] constexpr std::size_t updates() const noexcept { return layers; }
  /// How many steps were not, because a layer's sum was not finite.
  [[nodiscard]] constexpr std::size_t skipped() const noexcept { return layers + 1; }
  /// Doubles in the buffer.
  [[nodiscard]] constexpr std::size_t size() const noexcept { return layers + 2; }
};

/// The smoothing that the concept Backend is checked with, which stands for any other.
struct SmoothingArchetype {
  /// The new moment.
  constexpr double operator()(double moment, double observation) const noexcept {
    return moment + observation;
  }
  /// What a moment is an estimate of after that many updates.
  [[nodiscard]] constexpr double estimate(double moment, std::uint64_t updates) const noexcept {
    return moment / static_cast<double>(updates);
  }
};

/// A backend that has memory for doubles: `make_buffer(n)` gives n zeros, and copies go both ways.
template <class B>
concept BackendMemory = requires(B& backend, const B& constant, std::size_t size,
                                 typename B::buffer_type& buffer,
                                 const typename B::buffer_type& source, std::span<double> out,
                                 std::span<const double> in) {
  { backend.make_buffer(size) } -> std::same_as<typename B::buffer_type>;
  constant.copy_to_host(source, out);  // waits for what was enqueued before it
  backend.copy_from_host(in, buffer);
};

/// A backend that sums the squares of many tensors at once. The plan holds whatever tables it needs
/// (on a device they are uploaded when it is made), so that a step only enqueues.
template <class B>
concept BackendReduction = requires(B& backend, const B& constant,
                                    std::span<const GradientView> gradients, std::size_t layers,
                                    const typename B::gradient_plan& plan, std::size_t layer,
                                    std::size_t at, typename B::buffer_type& sums) {
  constant.check(gradients, layers);
  { backend.make_plan(gradients, layers) } -> std::same_as<typename B::gradient_plan>;
  backend.sum_of_squares(plan, sums);             // sums[l], for every layer
  backend.sum_of_squares(plan, layer, sums, at);  // sums[at], for one layer
};

/// A backend that folds a step's sums into smoothed moments without asking the host whether the
/// step was finite, or what its loss scale was.
template <class B>
concept BackendSmoothing = requires(B& backend, const B& constant,
                                    const SmoothingArchetype& smoothing, double factor,
                                    const DeviceLossScale& scale,
                                    const typename B::buffer_type& sums,
                                    typename B::buffer_type& state) {
  backend.update_average(smoothing, factor, sums, state, state);
  constant.check(scale);
  backend.update_average(smoothing, scale, sums, state, state);
};

/// A backend whose results reach the host without stopping the stream.
template <class B>
concept BackendReadback = requires(B& backend, const B& constant, std::size_t size,
                                   std::uint64_t publications,
                                   const typename B::buffer_type& source,
                                   typename B::readback_type& readback) {
  { backend.make_readback(size) } -> std::same_as<typename B::readback_type>;
  backend.publish(source, readback);
  backend.note_replays(readback, publications);
  { constant.latest(readback) } -> std::same_as<std::span<const double>>;
  { B::readback_delay } -> std::convertible_to<std::size_t>;
};

/// A machine, as far as Reprise needs one: the only code that knows where memory lies and what runs
/// on it. A backend orders its own work (a stream); no operation below waits for the host unless it
/// says so.
///
/// - `buffer_type`, `gradient_plan`, `readback_type`: movable, default-constructible handles of the
///   backend's own.
/// - `make_buffer(n)`: n doubles, all zero. `copy_to_host(buffer, span)` and
///   `copy_from_host(span, buffer)`: as many doubles as the span has; the only operations that
///   wait.
/// - `check(gradients, layers)`: throws InvalidArgument for views that `check_gradients` refuses,
///   and for memory that the backend cannot read.
/// - `make_plan(gradients, layers)`: checks the views and keeps what the sums need. The
///   tensors stay the engine's; they must be there whenever the plan is used.
/// - `sum_of_squares(plan, sums)`: `sums[l]` becomes the sum of the squares of all elements of
///   layer l, for each of the plan's layers (zero for one without). `sum_of_squares(plan, layer,
///   sums, at)` writes the sum of one layer to `sums[at]`. Accumulated in double (but for short
///   runs, which may be added in float), the order of the additions fixed by the plan: the same
///   bits from both forms, in each run and for any number of threads. Infinities and NaNs come
///   through.
/// - `update_average(smoothing, factor, sums, moments, statistics)`: multiplies the sums by
/// `factor`. If all
///   are finite then, `moments[l]` becomes `smoothing(moments[l], sum)`, the counter of updates
///   grows by one and `statistics[l]` becomes `smoothing.estimate(moments[l], updates)`; otherwise
///   the counter of skipped steps grows and the rest stays. Both buffers have a StatisticsLayout;
///   the counters are the moments', and the statistics get a copy.
/// - `check(scale)`: throws InvalidArgument for a DeviceLossScale that `check_scale` refuses, and
///   for a loss scale in memory that the backend cannot read.
/// - `update_average(smoothing, scale, sums, moments, statistics)`: reads the loss scale in the
/// backend's own
///   order of work, and folds with the factor that it gives: to the bits of `update_average` with
///   that factor. A scale that gives no finite factor has the step counted as skipped. The loss
///   scale stays the engine's; it must be there whenever a step is folded.
/// - `publish(buffer, readback)` sends a buffer to the host. `latest(readback)` is what was sent
///   `readback_delay` publications before the last one, and empty until then: a host has no delay
///   (0), a device says 1 and waits, at most, for the transfer before the last. The span is good
///   until the next `publish`. `note_replays(readback, n)` says that n publications were recomputed
///   by launching a graph that they were captured in.
template <class B>
concept Backend = std::movable<B> && BackendMemory<B> && BackendReduction<B> &&
    BackendSmoothing<B> && BackendReadback<B>;

}  // namespace reprise::inline v0
