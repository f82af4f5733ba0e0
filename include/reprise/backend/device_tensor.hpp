// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A tensor in a device's memory that a store can hold.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <reprise/backend/device_buffer.hpp>
#include <reprise/backend/device_error.hpp>
#include <reprise/backend/device_event.hpp>
#include <reprise/backend/device_memory.hpp>
#include <reprise/backend/device_runtime.hpp>
#include <reprise/backend/device_stream.hpp>
#include <reprise/backend/device_stream_access.hpp>
#include <reprise/core/error.hpp>
#include <reprise/core/hash.hpp>
#include <reprise/core/tensor.hpp>
#include <reprise/core/units.hpp>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// A row of elements in a device's memory, with a stream that it is at home in: there it is
/// allocated and there it is freed, without waiting, so that the next allocation of that stream may
/// have its memory while the device is still at work.
///
/// Another stream uses it through `read` and `write`, which fence by events: it sees what was
/// written before, and neither the next write nor the end of the tensor overtakes it. In the stream
/// it is at home in both cost nothing. Movable, as `std::vector` is, and moved it keeps its memory;
/// there are no copies. Its destructor waits for nothing and reports nothing.
/// @tparam R the device runtime
template <class T, DeviceRuntime R>
requires(std::is_trivially_copyable_v<T>) class DeviceTensor {
 public:
  using value_type = T;  ///< of its elements

  DeviceTensor() noexcept = default;

  /// Elements without a value. @throws DeviceError
  DeviceTensor(std::size_t size, const DeviceMemory<R>& memory, const DeviceStream<R>& home)
      : state_(std::make_unique<State>(size, memory, home)) {}

  /// Elements; 0 if it was default-constructed or moved from.
  [[nodiscard]] std::size_t size() const noexcept { return state_ ? state_->buffer.size() : 0; }
  /// The identity of its memory; null when empty. Not for work: see `read` and `write`.
  [[nodiscard]] const void* storage() const noexcept {
    return state_ ? state_->buffer.data() : nullptr;
  }
  /// The stream that it is at home in. @throws InvalidState if it was default-constructed
  [[nodiscard]] const DeviceStream<R>& home() const { return state().home; }

  /// The elements, to be read by what is enqueued in the stream while the result lives.
  /// @throws DeviceError; InvalidState if it was default-constructed
  [[nodiscard]] DeviceStreamAccess<const T, R> read(const DeviceStream<R>& stream) const {
    State& state = this->state();
    if (stream == state.home) return DeviceStreamAccess<const T, R>(state.buffer.data());
    state.readers.reserve(State::most_readers);  // ending the access must not allocate
    state.fork_to(stream);
    return DeviceStreamAccess<const T, R>(
        state.buffer.data(), stream,
        [&state](DeviceEvent<R> end) { state.note_reader(std::move(end)); });
  }

  /// The elements, to be written by what is enqueued in the stream while the result lives.
  /// @throws DeviceError; InvalidState if it was default-constructed
  [[nodiscard]] DeviceStreamAccess<T, R> write(const DeviceStream<R>& stream) {
    State& state = this->state();
    state.await_readers();
    if (stream == state.home) return DeviceStreamAccess<T, R>(state.buffer.data());
    state.fork_to(stream);
    return DeviceStreamAccess<T, R>(state.buffer.data(), stream,
                                    [&state](const DeviceEvent<R>& end) { state.await(end); });
  }

  /// Replaces the first elements. Waits for its stream. @throws DeviceError
  void copy_from(std::span<const T> host) {
    state().await_readers();
    state().buffer.copy_from(host);
    state().home.synchronize();
  }

  /// The elements, on the host. Waits for its stream. @throws DeviceError
  [[nodiscard]] std::vector<T> to_host() const {
    std::vector<T> host(size());
    if (host.empty()) return host;
    state().buffer.copy_to(host);
    state().home.synchronize();
    return host;
  }

 private:
  struct State {
    State(std::size_t size, const DeviceMemory<R>& memory, const DeviceStream<R>& home_stream)
        : home(home_stream), buffer(size, memory, home_stream) {}
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() {
      for (const DeviceEvent<R>& reader : readers) await(reader);
    }

    // What the other stream does comes after what was enqueued at home.
    void fork_to(const DeviceStream<R>& stream) {
      if (fork.get() == nullptr) fork = DeviceEvent<R>::make();
      fork.record(home);
      fork.hold_back(stream);
    }
    // What is enqueued at home comes after the event.
    void await(const DeviceEvent<R>& event) const noexcept {
      ignore_failure([&] { event.hold_back(home); });
    }
    void await_readers() noexcept {
      for (const DeviceEvent<R>& reader : readers) await(reader);
      readers.clear();
    }
    // Writers and the end of the memory wait for the readers; readers do not wait for each other.
    void note_reader(DeviceEvent<R> end) noexcept {
      if (readers.size() == most_readers) await_readers();
      readers.push_back(std::move(end));
    }

    static constexpr std::size_t most_readers = 16;  // of which events are kept
    DeviceStream<R> home;
    DeviceBuffer<T, R> buffer;
    DeviceEvent<R> fork;
    std::vector<DeviceEvent<R>> readers;
  };

  [[nodiscard]] State& state() const {
    if (!state_)
      throw InvalidState("an empty " + std::string(R::name) + "Tensor has no elements to use");
    return *state_;
  }

  std::unique_ptr<State> state_;
};

/// A DeviceTensor is TensorLike, and may be compared by checksum.
template <class T, class R>
struct tensor_traits<DeviceTensor<T, R>> {
  using tensor = DeviceTensor<T, R>;

  [[nodiscard]] static byte_count bytes(const tensor& t) noexcept { return t.size() * sizeof(T); }
  [[nodiscard]] static const void* storage(const tensor& t) noexcept { return t.storage(); }
  /// Enqueues the addition in the stream that `into` is at home in.
  /// @throws InvalidArgument if the sizes differ; DeviceError
  static void accumulate(tensor& into, const tensor& part) {
    if (into.size() != part.size()) {
      throw InvalidArgument("cannot add a tensor of " + std::to_string(part.size()) +
                            " elements to one of " + std::to_string(into.size()));
    }
    if (into.size() == 0) return;
    const DeviceStream<R>& stream = into.home();
    const auto to = into.write(stream);
    const auto from = part.read(stream);
    R::kernels::add(stream, into.size(), to.data(), from.data());
  }
  /// A hash of the elements. Waits for the stream. @throws DeviceError
  [[nodiscard]] static std::uint64_t checksum(const tensor& t) {
    const std::vector<T> host = t.to_host();
    return hash_bytes(std::as_bytes(std::span<const T>(host)));
  }
};

}  // namespace reprise::inline v0
