// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What differs between device runtimes, as one traits class.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace reprise::inline v0 {

/// Where an address lies, as far as kernels care.
struct DevicePointer {
  bool is_on_device = false;  ///< in a device's memory, or in memory that migrates to it
  int device = 0;             ///< which device's, if it is
};

/// A runtime that names its errors.
///
/// - `error_type`: what its calls return; `success` is that of a call that did what it should,
///   `out_of_memory` that of an allocation without memory;
/// - `error_name(code)` and `error_text(code)`: for messages; they never fail;
/// - `is_sticky(code)`: whether each later call fails too, as the context is dead;
/// - `clear_error()`: forgets the thread's last error, where the runtime keeps one.
template <class R>
concept RuntimeErrors = std::copyable<typename R::error_type> &&
    requires(typename R::error_type code) {
  { R::success } -> std::convertible_to<typename R::error_type>;
  { R::out_of_memory } -> std::convertible_to<typename R::error_type>;
  { R::error_name(code) } -> std::convertible_to<std::string_view>;
  { R::error_text(code) } -> std::convertible_to<std::string_view>;
  { R::is_sticky(code) }
  noexcept->std::same_as<bool>;
  { R::clear_error() }
  noexcept;
};

/// A runtime whose devices have streams.
///
/// - `stream_type`: a pointer to what is enqueued one after the other; null is the default stream;
/// - `current_device()`: the calling thread's;
/// - `make_stream()`: of the current device, which does not wait for the default stream;
/// - `device_of(stream)`: throws for what is no stream;
/// - `is_capturing(stream)`: whether what is enqueued goes into a graph, to be launched later;
/// - `synchronize(stream)`: the host waits until all that was enqueued is done.
template <class R>
concept RuntimeStreams = requires(typename R::stream_type stream) {
  { R::current_device() } -> std::same_as<int>;
  { R::make_stream() } -> std::same_as<typename R::stream_type>;
  { R::destroy_stream(stream) }
  noexcept;
  { R::device_of(stream) } -> std::same_as<int>;
  { R::is_capturing(stream) } -> std::same_as<bool>;
  R::synchronize(stream);
};

/// A runtime with events: points in streams.
///
/// - `record(event, stream)`: the event becomes the point that the stream has come to; in a
///   capture, for the streams of that capture. `record_for_host`: in a capture, the point of each
///   launch;
/// - `wait(stream, event)`: what the stream is given from now on waits for the event as it is now
///   recorded, and the host does not; one that was never recorded has passed;
/// - `synchronize(event)`: the host waits for it.
template <class R>
concept RuntimeEvents = requires(typename R::stream_type stream, typename R::event_type event) {
  { R::make_event() } -> std::same_as<typename R::event_type>;
  { R::destroy_event(event) }
  noexcept;
  R::record(event, stream);
  R::record_for_host(event, stream);
  R::wait(stream, event);
  R::synchronize(event);
};

/// A runtime whose events can measure time; no part of DeviceRuntime.
///
/// - `make_timing_event()`: an event that measures time;
/// - `seconds_between(begin, end)`: how long streams took from one such event to the other, empty
///   while they have not come to both; the host does not wait.
template <class R>
concept RuntimeTimers = RuntimeEvents<R> && requires(typename R::event_type event) {
  { R::make_timing_event() } -> std::same_as<typename R::event_type>;
  { R::seconds_between(event, event) } -> std::same_as<std::optional<double>>;
};

/// A runtime with pools of memory in stream order.
///
/// - `make_pool()`: of the current device, which keeps what was freed until `trim`; memory that
///   outlives its pool stays good. `default_pool()`: the current device's, with its own settings;
/// - `allocate(pool, bytes, stream)`: memory for what the stream is given from now on, aligned to
///   `alignment_bytes`; an error `out_of_memory` if there is none;
/// - `deallocate(memory, stream)`: given back when the stream gets there;
/// - `trim(pool)`: what no stream uses any more goes back to the device;
/// - `reserved_bytes`, `used_bytes`, `peak_used_bytes`: had from the device, allocated, and the
///   most of that since `reset_peak_used`.
template <class R>
concept RuntimePools = requires(typename R::pool_type pool, typename R::stream_type stream,
                                std::size_t bytes, void* memory) {
  { R::alignment_bytes } -> std::convertible_to<std::size_t>;
  { R::make_pool() } -> std::same_as<typename R::pool_type>;
  { R::destroy_pool(pool) }
  noexcept;
  { R::default_pool() } -> std::same_as<typename R::pool_type>;
  { R::allocate(pool, bytes, stream) } -> std::same_as<void*>;
  R::deallocate(memory, stream);
  R::trim(pool);
  { R::reserved_bytes(pool) } -> std::same_as<std::uint64_t>;
  { R::used_bytes(pool) } -> std::same_as<std::uint64_t>;
  { R::peak_used_bytes(pool) } -> std::same_as<std::uint64_t>;
  R::reset_peak_used(pool);
};

/// A runtime that moves bytes, in stream order.
///
/// - `copy_to_device` and `copy_to_host`: the host's memory stays as it is until the copy is done.
///   From and to pinned memory the host does not wait;
/// - `allocate_pinned(bytes)`: page-locked host memory, at least one byte;
/// - `locate(memory)`: where an address lies.
template <class R>
concept RuntimeTransfers = requires(typename R::stream_type stream, void* out, const void* in,
                                    std::size_t bytes) {
  R::fill_zero(out, bytes, stream);
  R::copy_to_device(out, in, bytes, stream);
  R::copy_to_host(out, in, bytes, stream);
  { R::allocate_pinned(bytes) } -> std::same_as<void*>;
  { R::free_pinned(out) }
  noexcept;
  { R::locate(in) } -> std::same_as<DevicePointer>;
};

/// A device runtime (CUDA, HIP, one that tests play on the host): a traits class of static
/// functions, and the only code that calls the runtime. Streams, events, pools, memory, buffers,
/// tensors and the backend are templates over it, so that another runtime is one file.
///
/// `name` is what messages call it: "Cuda". A function that is not noexcept throws `DeviceError<R>`
/// with the code and the name of the call that failed (`check_device`); one that is drops what
/// fails, as destructors do. `kernels` is a class of static functions that enqueue kernels, which
/// `DeviceKernels` describes; what launches none needs none of them complete.
template <class R>
concept DeviceRuntime = RuntimeErrors<R> && RuntimeStreams<R> && RuntimeEvents<R> &&
    RuntimePools<R> && RuntimeTransfers<R> && requires {
  { R::name } -> std::convertible_to<std::string_view>;
};

}  // namespace reprise::inline v0
