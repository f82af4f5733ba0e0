// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A device runtime, played on the host.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <new>
#include <optional>
#include <reprise/backend/backend.hpp>
#include <reprise/backend/block_reduction.hpp>
#include <reprise/backend/chunk_table.hpp>
#include <reprise/backend/device_backend.hpp>
#include <reprise/backend/device_error.hpp>
#include <reprise/backend/device_kernels.hpp>
#include <reprise/backend/device_runtime.hpp>
#include <reprise/backend/device_stream.hpp>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "support/played_block.hpp"

namespace reprise_test {

/// What a stream was given and has not done yet. It does nothing until somebody waits for it.
struct PlayedStream {
  int device = 0;
  std::uint64_t enqueued = 0;  ///< since it was made
  std::deque<std::function<void()>> rest{};
};

/// A point in a stream: so many operations after it was made.
struct PlayedEvent {
  PlayedStream* stream = nullptr;  ///< none: never recorded
  std::uint64_t position = 0;
};

struct PlayedPool {
  std::uint64_t used_bytes = 0;
  std::uint64_t peak_used_bytes = 0;
};

enum class PlayedCode { success, no_memory, not_a_stream, broken };

/// All that the runtime has, for one thread of a test.
struct PlayedMachine {
  bool is_capturing = false;  ///< all streams
  int device = 0;             ///< the current one
  PlayedPool default_pool{};
  std::set<PlayedStream*> streams{};
  std::set<PlayedEvent*> events{};
  std::set<PlayedPool*> pools{};
  std::map<void*, std::pair<PlayedPool*, std::size_t>> memory{};
  std::map<std::byte*, std::size_t> pinned{};
  std::uint64_t calls = 0;   ///< that may fail
  std::uint64_t clears = 0;  ///< of the last error
  /// The call with this number, counted from 1, fails; each later one too if the error is sticky.
  std::uint64_t failing_call = 0;
  PlayedCode failure = PlayedCode::broken;
  std::string failed_call{};  ///< that was the first to fail

  /// Whether nothing is left that somebody made.
  [[nodiscard]] bool is_clean() const {
    return streams.empty() && events.empty() && pools.empty() && memory.empty() && pinned.empty();
  }
};

/// Models DeviceRuntime in host memory. What is enqueued runs when the host waits for it, in the
/// order of its stream, other streams' only as far as it waits for them: what lacks a fence reads
/// what is not there yet, or what is gone. Freed memory is overwritten.
struct PlayedRuntime {
  using error_type = PlayedCode;
  using stream_type = PlayedStream*;
  using event_type = PlayedEvent*;
  using pool_type = PlayedPool*;
  struct kernels;

  static constexpr const char* name = "Played";
  static constexpr error_type success = PlayedCode::success;
  static constexpr error_type out_of_memory = PlayedCode::no_memory;
  static constexpr std::size_t alignment_bytes = 64;
  static constexpr std::size_t device_bytes = std::size_t{1} << 40U;  ///< that it says it has

  [[nodiscard]] static PlayedMachine& machine() {
    thread_local PlayedMachine machine;
    return machine;
  }

  [[nodiscard]] static const char* error_name(error_type code) {
    switch (code) {
      case PlayedCode::success:
        return "success";
      case PlayedCode::no_memory:
        return "no_memory";
      case PlayedCode::not_a_stream:
        return "not_a_stream";
      case PlayedCode::broken:
        break;
    }
    return "broken";
  }
  [[nodiscard]] static const char* error_text(error_type) { return "as the test asked for"; }
  [[nodiscard]] static bool is_sticky(error_type code) noexcept {
    return code == PlayedCode::broken;
  }
  static void clear_error() noexcept { ++machine().clears; }

  [[nodiscard]] static int current_device() {
    call("current_device");
    return machine().device;
  }
  [[nodiscard]] static stream_type make_stream() {
    call("make_stream");
    return *machine().streams.insert(new PlayedStream{machine().device}).first;
  }
  static void destroy_stream(stream_type stream) noexcept {
    if (!is_dead()) run_to(*stream, stream->enqueued);
    machine().streams.erase(stream);
    delete stream;
  }
  [[nodiscard]] static int device_of(stream_type stream) {
    call("device_of");
    if (!machine().streams.contains(stream)) {
      reprise::check_device<PlayedRuntime>(PlayedCode::not_a_stream, "device_of");
    }
    return stream->device;
  }
  [[nodiscard]] static bool is_capturing(stream_type) {
    call("is_capturing");
    return machine().is_capturing;
  }
  static void synchronize(stream_type stream) {
    call("synchronize_stream");
    run_to(*stream, stream->enqueued);
  }

  [[nodiscard]] static event_type make_event() {
    call("make_event");
    return *machine().events.insert(new PlayedEvent{}).first;
  }
  [[nodiscard]] static event_type make_timing_event() {
    call("make_timing_event");
    return *machine().events.insert(new PlayedEvent{}).first;
  }
  /// Each operation of a stream takes a millisecond.
  [[nodiscard]] static std::optional<double> seconds_between(event_type begin, event_type end) {
    call("seconds_between");
    if (machine().is_capturing)
      reprise::check_device<PlayedRuntime>(PlayedCode::broken, "seconds_between");
    const auto has_passed = [](const PlayedEvent& event) {
      return event.stream->enqueued - event.stream->rest.size() >= event.position;
    };
    if (!has_passed(*begin) || !has_passed(*end)) return std::nullopt;
    return 1e-3 * static_cast<double>(end->position - begin->position);
  }
  static void destroy_event(event_type event) noexcept {
    machine().events.erase(event);
    delete event;
  }
  static void record(event_type event, stream_type stream) {
    call("record");
    *event = {stream, stream->enqueued};
  }
  static void record_for_host(event_type event, stream_type stream) { record(event, stream); }
  static void wait(stream_type stream, event_type event) {
    call("wait");
    enqueue(stream, [point = *event] { run_to(point); });
  }
  static void synchronize(event_type event) {
    call("synchronize_event");
    run_to(*event);
  }

  [[nodiscard]] static pool_type make_pool() {
    call("make_pool");
    return *machine().pools.insert(new PlayedPool{}).first;
  }
  static void destroy_pool(pool_type pool) noexcept {
    machine().pools.erase(pool);
    delete pool;
  }
  [[nodiscard]] static pool_type default_pool() {
    call("default_pool");
    return &machine().default_pool;
  }
  [[nodiscard]] static void* allocate(pool_type pool, std::size_t bytes, stream_type) {
    call("allocate");
    if (bytes > device_bytes) reprise::check_device<PlayedRuntime>(out_of_memory, "allocate");
    void* const memory = ::operator new (bytes, std::align_val_t{alignment_bytes});
    std::memset(memory, 0xCD, bytes);
    machine().memory[memory] = {pool, bytes};
    pool->used_bytes += bytes;
    pool->peak_used_bytes = std::max(pool->peak_used_bytes, pool->used_bytes);
    return memory;
  }
  static void deallocate(void* memory, stream_type stream) {
    call("deallocate");
    enqueue(stream, [memory] { release(memory); });
  }
  static void trim(pool_type) { call("trim"); }
  [[nodiscard]] static std::uint64_t reserved_bytes(pool_type pool) { return pool->used_bytes; }
  [[nodiscard]] static std::uint64_t used_bytes(pool_type pool) { return pool->used_bytes; }
  [[nodiscard]] static std::uint64_t peak_used_bytes(pool_type pool) {
    return pool->peak_used_bytes;
  }
  static void reset_peak_used(pool_type pool) { pool->peak_used_bytes = pool->used_bytes; }

  static void fill_zero(void* memory, std::size_t bytes, stream_type stream) {
    call("fill_zero");
    enqueue(stream, [=] { std::memset(memory, 0, bytes); });
  }
  static void copy_to_device(void* device, const void* host, std::size_t bytes,
                             stream_type stream) {
    call("copy_to_device");
    enqueue(stream, [=] { std::memcpy(device, host, bytes); });
  }
  static void copy_to_host(void* host, const void* device, std::size_t bytes, stream_type stream) {
    call("copy_to_host");
    enqueue(stream, [=] { std::memcpy(host, device, bytes); });
  }
  [[nodiscard]] static void* allocate_pinned(std::size_t bytes) {
    call("allocate_pinned");
    auto* const memory = static_cast<std::byte*>(::operator new(bytes));
    machine().pinned[memory] = bytes;
    return memory;
  }
  static void free_pinned(void* memory) noexcept {
    if (memory == nullptr) return;
    if (!is_dead()) synchronize_all();  // as cudaFreeHost does
    machine().pinned.erase(static_cast<std::byte*>(memory));
    ::operator delete(memory);
  }
  /// Test's own memory counts as the device's.
  [[nodiscard]] static reprise::DevicePointer locate(const void* memory) {
    call("locate");
    const auto* const at = static_cast<const std::byte*>(memory);
    for (const auto& [begin, bytes] : machine().pinned) {
      if (at >= begin && at < begin + bytes) return {};
    }
    return {.is_on_device = true, .device = machine().device};
  }

  /// Waits for all streams.
  static void synchronize_all() {
    for (PlayedStream* const stream : machine().streams) run_to(*stream, stream->enqueued);
  }

  /// Has the stream do `f` when it gets there.
  static void enqueue(stream_type stream, std::function<void()> f) {
    stream->rest.push_back(std::move(f));
    ++stream->enqueued;
  }

 private:
  // After a sticky error, what was enqueued never runs.
  [[nodiscard]] static bool is_dead() noexcept {
    return !machine().failed_call.empty() && is_sticky(machine().failure);
  }

  static void call(const char* called) {
    PlayedMachine& here = machine();
    ++here.calls;
    const bool fails =
        here.failing_call > 0 && (here.calls == here.failing_call ||
                                  (here.calls > here.failing_call && is_sticky(here.failure)));
    if (fails && here.failed_call.empty()) here.failed_call = called;
    reprise::check_device<PlayedRuntime>(fails ? here.failure : success, called);
  }

  static void run_to(PlayedStream& stream, std::uint64_t position) {
    while (!stream.rest.empty() && stream.enqueued - stream.rest.size() < position) {
      const std::function<void()> next = std::move(stream.rest.front());
      stream.rest.pop_front();
      next();
    }
  }

  // A stream that is gone was done.
  static void run_to(const PlayedEvent& point) {
    if (machine().streams.contains(point.stream)) run_to(*point.stream, point.position);
  }

  static void release(void* memory) {
    const auto found = machine().memory.find(memory);
    if (found == machine().memory.end()) std::abort();  // freed twice
    std::memset(memory, 0xDD, found->second.second);
    const auto [pool, bytes] = found->second;
    const bool has_pool = pool == &machine().default_pool || machine().pools.contains(pool);
    if (has_pool) pool->used_bytes -= bytes;  // memory may outlive its pool
    machine().memory.erase(found);
    ::operator delete (memory, std::align_val_t{alignment_bytes});
  }
};
static_assert(reprise::DeviceRuntime<PlayedRuntime>);

/// The library's kernels, block after block.
struct PlayedRuntime::kernels {
  using Stream = reprise::DeviceStream<PlayedRuntime>;

  template <class T>
  static void upload(const Stream& stream, std::span<const T> host, T* out) {
    enqueue(stream.get(), [table = std::vector<T>(host.begin(), host.end()), out] {
      std::copy(table.begin(), table.end(), out);
    });
  }
  template <class Tuning>
  static void reduce_chunks(const Stream& stream, std::uint32_t count, const reprise::Chunk* chunks,
                            double* sums) {
    enqueue(stream.get(), [=] {
      for (std::uint32_t i = 0; i < count; ++i) {
        reprise::reduce_chunk<Tuning, reprise::HostAccess>(PlayedBlock<Tuning::chunk_threads>{},
                                                           chunks[i], sums[i]);
      }
    });
  }
  template <class Tuning>
  static void reduce_layers(const Stream& stream, std::uint32_t count, const double* chunk_sums,
                            const std::uint32_t* first_chunk, double* sums) {
    enqueue(stream.get(), [=] {
      for (std::uint32_t i = 0; i < count; ++i) {
        reprise::reduce_layer(PlayedBlock<Tuning::layer_threads>{}, chunk_sums, first_chunk[i],
                              first_chunk[i + 1], sums[i]);
      }
    });
  }
  template <class Smoothing, reprise::NormFactor Factor>
  static void update_average(const Stream& stream, const Smoothing& smoothing, const Factor& factor,
                             reprise::StatisticsLayout layout, const double* sums, double* moments,
                             double* statistics) {
    enqueue(stream.get(), [=] {
      reprise::update_step(PlayedBlock<512>{}, smoothing, factor, layout, sums, moments,
                           statistics);
    });
  }
  template <class T>
  static void add(const Stream& stream, std::size_t size, T* into, const T* part) {
    enqueue(stream.get(), [=] {
      for (std::size_t i = 0; i < size; ++i) into[i] += part[i];
    });
  }
};
static_assert(reprise::DeviceKernels<PlayedRuntime::kernels, PlayedRuntime>);

/// The CUDA backend's code with its kernels and its delay, in host memory.
template <class Tuning = reprise::DefaultReductionTuning>
using PlayedDevice = reprise::DeviceBackend<PlayedRuntime, Tuning>;
static_assert(reprise::Backend<PlayedDevice<>>);

}  // namespace reprise_test
