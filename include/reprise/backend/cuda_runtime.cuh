// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// CUDA, as a device runtime.

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <reprise/backend/device_error.hpp>
#include <reprise/backend/device_runtime.hpp>
#include <utility>

namespace reprise::inline v0 {

template <class R>
struct LaunchedKernels;  // in device_kernels.cuh

/// CUDA's calls; of the library, nothing else makes one. Models DeviceRuntime.
///
/// Not yet run on a GPU.
struct CudaRuntime {
  using error_type = cudaError_t;    ///< what calls return
  using stream_type = cudaStream_t;  ///< null is the default stream
  using event_type = cudaEvent_t;    ///< a point in a stream
  using pool_type = cudaMemPool_t;   ///< of device memory
  /// Kernels that nvcc compiled.
  using kernels = LaunchedKernels<CudaRuntime>;

  static constexpr const char* name = "Cuda";                             ///< in messages
  static constexpr error_type success = cudaSuccess;                      ///< no error
  static constexpr error_type out_of_memory = cudaErrorMemoryAllocation;  ///< of an allocation
  static constexpr std::size_t alignment_bytes = 256;                     ///< of memory from pools

  // Errors.

  /// The name of its enumerator.
  [[nodiscard]] static const char* error_name(error_type code) { return cudaGetErrorName(code); }
  /// What CUDA says about it.
  [[nodiscard]] static const char* error_text(error_type code) { return cudaGetErrorString(code); }
  /// Whether the context is dead.
  [[nodiscard]] static bool is_sticky(error_type code) noexcept {
    switch (code) {
      case cudaErrorECCUncorrectable:
      case cudaErrorNvlinkUncorrectable:
      case cudaErrorContained:
      case cudaErrorIllegalAddress:
      case cudaErrorLaunchTimeout:
      case cudaErrorAssert:
      case cudaErrorHardwareStackError:
      case cudaErrorIllegalInstruction:
      case cudaErrorMisalignedAddress:
      case cudaErrorInvalidAddressSpace:
      case cudaErrorInvalidPc:
      case cudaErrorLaunchFailure:
      case cudaErrorTensorMemoryLeak:
      case cudaErrorMpsClientTerminated:
        return true;
      default:
        return false;
    }
  }
  /// Forgets the thread's last error.
  static void clear_error() noexcept { static_cast<void>(cudaGetLastError()); }

  // Streams.

  /// The calling thread's device.
  [[nodiscard]] static int current_device() {
    int device = 0;
    check(cudaGetDevice(&device), "cudaGetDevice");
    return device;
  }
  /// A stream of the current device, apart from the default stream.
  [[nodiscard]] static stream_type make_stream() {
    stream_type stream = nullptr;
    check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
    return stream;
  }
  /// Lets it go when it is done.
  static void destroy_stream(stream_type stream) noexcept { ignore(cudaStreamDestroy(stream)); }
  /// The device of a stream.
  [[nodiscard]] static int device_of(stream_type stream) {
    int device = 0;
    check(cudaStreamGetDevice(stream, &device), "cudaStreamGetDevice");
    return device;
  }
  /// Whether what is enqueued goes into a graph.
  [[nodiscard]] static bool is_capturing(stream_type stream) {
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    check(cudaStreamIsCapturing(stream, &status), "cudaStreamIsCapturing");
    return status != cudaStreamCaptureStatusNone;
  }
  /// Waits for all that the stream was given.
  static void synchronize(stream_type stream) {
    check(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
  }

  // Events.

  /// An event that measures no time.
  [[nodiscard]] static event_type make_event() {
    event_type event = nullptr;
    check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreateWithFlags");
    return event;
  }
  /// An event that measures time.
  [[nodiscard]] static event_type make_timing_event() {
    event_type event = nullptr;
    check(cudaEventCreateWithFlags(&event, cudaEventDefault), "cudaEventCreateWithFlags");
    return event;
  }
  /// How long streams took from one to the other; empty while they have not come to both.
  [[nodiscard]] static std::optional<double> seconds_between(event_type begin, event_type end) {
    float milliseconds = 0;
    const cudaError_t error = cudaEventElapsedTime(&milliseconds, begin, end);
    if (error == cudaErrorNotReady) {
      clear_error();
      return std::nullopt;
    }
    check(error, "cudaEventElapsedTime");
    return static_cast<double>(milliseconds) * 1e-3;
  }
  /// Lets it go when it has passed.
  static void destroy_event(event_type event) noexcept { ignore(cudaEventDestroy(event)); }
  /// Becomes the point that the stream has come to.
  static void record(event_type event, stream_type stream) {
    check(cudaEventRecord(event, stream), "cudaEventRecord");
  }
  /// As `record`; captured, it becomes that point of each launch.
  static void record_for_host(event_type event, stream_type stream) {
    const unsigned flags = is_capturing(stream) ? cudaEventRecordExternal : cudaEventRecordDefault;
    check(cudaEventRecordWithFlags(event, stream, flags), "cudaEventRecordWithFlags");
  }
  /// What the stream is given from now on waits for the event.
  static void wait(stream_type stream, event_type event) {
    check(cudaStreamWaitEvent(stream, event, cudaEventWaitDefault), "cudaStreamWaitEvent");
  }
  /// Waits for the event.
  static void synchronize(event_type event) {
    check(cudaEventSynchronize(event), "cudaEventSynchronize");
  }

  // Pools.

  /// A pool of the current device that keeps what was freed until `trim`.
  [[nodiscard]] static pool_type make_pool() {
    cudaMemPoolProps properties{};
    properties.allocType = cudaMemAllocationTypePinned;
    properties.handleTypes = cudaMemHandleTypeNone;
    properties.location.type = cudaMemLocationTypeDevice;
    properties.location.id = current_device();
    pool_type pool = nullptr;
    check(cudaMemPoolCreate(&pool, &properties), "cudaMemPoolCreate");
    std::uint64_t threshold = std::numeric_limits<std::uint64_t>::max();
    const error_type set =
        cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &threshold);
    if (set != success) destroy_pool(pool);
    check(set, "cudaMemPoolSetAttribute");
    return pool;
  }
  /// Lets it go with the last memory from it.
  static void destroy_pool(pool_type pool) noexcept { ignore(cudaMemPoolDestroy(pool)); }
  /// The current device's pool, as it is set.
  [[nodiscard]] static pool_type default_pool() {
    const int device = current_device();
    pool_type pool = nullptr;
    check(cudaDeviceGetDefaultMemPool(&pool, device), "cudaDeviceGetDefaultMemPool");
    return pool;
  }
  /// Memory for what the stream is given from now on.
  [[nodiscard]] static void* allocate(pool_type pool, std::size_t bytes, stream_type stream) {
    void* memory = nullptr;
    check(cudaMallocFromPoolAsync(&memory, bytes, pool, stream), "cudaMallocFromPoolAsync");
    return memory;
  }
  /// Given back when the stream gets there.
  static void deallocate(void* memory, stream_type stream) {
    check(cudaFreeAsync(memory, stream), "cudaFreeAsync");
  }
  /// Gives what is not in use back to the device.
  static void trim(pool_type pool) { check(cudaMemPoolTrimTo(pool, 0), "cudaMemPoolTrimTo"); }
  /// Bytes that the pool has from the device.
  [[nodiscard]] static std::uint64_t reserved_bytes(pool_type pool) {
    return attribute(pool, cudaMemPoolAttrReservedMemCurrent);
  }
  /// Bytes of it that are allocated.
  [[nodiscard]] static std::uint64_t used_bytes(pool_type pool) {
    return attribute(pool, cudaMemPoolAttrUsedMemCurrent);
  }
  /// The most of that since `reset_peak_used`.
  [[nodiscard]] static std::uint64_t peak_used_bytes(pool_type pool) {
    return attribute(pool, cudaMemPoolAttrUsedMemHigh);
  }
  /// Lets the peak begin with what is allocated now.
  static void reset_peak_used(pool_type pool) {
    std::uint64_t zero = 0;  // the one value that the driver takes
    check(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrUsedMemHigh, &zero),
          "cudaMemPoolSetAttribute");
  }

  // Transfers.

  /// Sets bytes to zero, in stream order.
  static void fill_zero(void* memory, std::size_t bytes, stream_type stream) {
    check(cudaMemsetAsync(memory, 0, bytes, stream), "cudaMemsetAsync");
  }
  /// Copies bytes, in stream order.
  static void copy_to_device(void* device, const void* host, std::size_t bytes,
                             stream_type stream) {
    check(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream), "cudaMemcpyAsync");
  }
  /// Copies bytes, in stream order.
  static void copy_to_host(void* host, const void* device, std::size_t bytes, stream_type stream) {
    check(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream), "cudaMemcpyAsync");
  }
  /// Page-locked host memory.
  [[nodiscard]] static void* allocate_pinned(std::size_t bytes) {
    void* memory = nullptr;
    check(cudaHostAlloc(&memory, bytes, cudaHostAllocDefault), "cudaHostAlloc");
    return memory;
  }
  /// Gives it back.
  static void free_pinned(void* memory) noexcept { ignore(cudaFreeHost(memory)); }
  /// Where an address lies; managed memory counts as a device's.
  [[nodiscard]] static DevicePointer locate(const void* memory) {
    cudaPointerAttributes attributes{};
    check(cudaPointerGetAttributes(&attributes, memory), "cudaPointerGetAttributes");
    return {.is_on_device =
                attributes.type == cudaMemoryTypeDevice || attributes.type == cudaMemoryTypeManaged,
            .device = attributes.device};
  }

  /// Enqueues a kernel, one-dimensional; nothing if there are no blocks.
  /// @param called what errors call it
  /// @throws DeviceError if it cannot be launched; what others left as the last error is not taken
  ///         for its own
  template <class... Parameters, class... Arguments>
  static void launch(stream_type stream, const char* called, std::uint32_t blocks,
                     std::uint32_t threads, void (*kernel)(Parameters...),
                     Arguments&&... arguments) {
    if (blocks == 0) return;
    cudaLaunchConfig_t config{};
    config.gridDim = dim3(blocks);
    config.blockDim = dim3(threads);
    config.stream = stream;
    check(cudaLaunchKernelEx(&config, kernel, std::forward<Arguments>(arguments)...), called);
  }

 private:
  static void check(error_type code, const char* call) { check_device<CudaRuntime>(code, call); }
  static void ignore(error_type code) noexcept { ignore_device<CudaRuntime>(code); }

  [[nodiscard]] static std::uint64_t attribute(pool_type pool, cudaMemPoolAttr which) {
    std::uint64_t value = 0;
    check(cudaMemPoolGetAttribute(pool, which, &value), "cudaMemPoolGetAttribute");
    return value;
  }
};
static_assert(DeviceRuntime<CudaRuntime>);

}  // namespace reprise::inline v0
