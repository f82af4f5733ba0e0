// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What each device runtime must do; a model is tested by one line.

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <numeric>
#include <reprise/backend/device_buffer.hpp>
#include <reprise/backend/device_error.hpp>
#include <reprise/backend/device_event.hpp>
#include <reprise/backend/device_memory.hpp>
#include <reprise/backend/device_pinned_buffer.hpp>
#include <reprise/backend/device_pool.hpp>
#include <reprise/backend/device_runtime.hpp>
#include <reprise/backend/device_stream.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace reprise_test {

/// What a runtime does wrong, asked for one part of the concept after the other. Memory of the
/// device is reached through the runtime alone.
template <reprise::DeviceRuntime R>
class RuntimeFaults {
 public:
  /// @returns the first fault; empty if there is none
  [[nodiscard]] static std::string first() {
    for (const auto part :
         {&errors, &streams, &copies, &order, &events, &pools, &addresses, &exhaustion}) {
      if (std::string fault = part(); !fault.empty()) return fault;
    }
    return "";
  }

 private:
  using Error = reprise::DeviceError<R>;
  using Stream = reprise::DeviceStream<R>;
  using Event = reprise::DeviceEvent<R>;
  using Pool = reprise::DevicePool<R>;
  using Memory = reprise::DeviceMemory<R>;
  using Buffer = reprise::DeviceBuffer<int, R>;
  using Pinned = reprise::DevicePinnedBuffer<int, R>;

  static constexpr std::size_t size = 1000;

  [[nodiscard]] static std::vector<int> numbers(int first) {
    std::vector<int> numbers(size);
    std::iota(numbers.begin(), numbers.end(), first);
    return numbers;
  }

  [[nodiscard]] static std::string errors() {
    if (R::success == R::out_of_memory) return "running out of memory is no success";
    if (R::is_sticky(R::out_of_memory)) return "running out of memory ends the context";
    for (const typename R::error_type code : {R::success, R::out_of_memory}) {
      if (std::string_view(R::error_name(code)).empty()) return "an error without a name";
    }
    return "";
  }

  [[nodiscard]] static std::string streams() {
    const Stream stream;
    const Stream other;
    if (stream.get() == other.get()) return "two streams that were made are one";
    if (stream.device() != R::current_device()) return "a stream of another device";
    if (stream.is_capturing()) return "a stream captures what nobody asked it to";
    stream.synchronize();  // with nothing to wait for
    return "";
  }

  [[nodiscard]] static std::string copies() {
    const Stream stream;
    const Memory memory(std::make_shared<Pool>());
    Buffer buffer(size, memory, stream);
    const std::vector<int> sent = numbers(1);
    buffer.copy_from(sent);
    std::vector<int> back(size);
    buffer.copy_to(back);
    stream.synchronize();
    if (back != sent) return "what is copied to the device does not come back";
    buffer.clear();
    buffer.copy_to(back);
    stream.synchronize();
    return back == std::vector<int>(size, 0) ? "" : "memory filled with zeros is not zero";
  }

  // The second stream runs first if nothing holds it back.
  [[nodiscard]] static std::string order() {
    const Stream writer;
    const Stream reader;
    const Memory memory(std::make_shared<Pool>());
    Buffer buffer(size, memory, writer);
    Pinned sent(size);
    Pinned back(size);
    std::ranges::copy(numbers(7), sent.elements().begin());
    R::copy_to_device(buffer.data(), sent.elements().data(), size * sizeof(int), writer.get());
    Event written = Event::make();
    written.record(writer);
    written.hold_back(reader);
    R::copy_to_host(back.elements().data(), buffer.data(), size * sizeof(int), reader.get());
    reader.synchronize();
    return std::ranges::equal(back.elements(), sent.elements())
               ? ""
               : "a stream does not wait for the event that another one recorded";
  }

  [[nodiscard]] static std::string events() {
    const Stream stream;
    const Memory memory(std::make_shared<Pool>());
    const Event never = Event::make();
    never.hold_back(stream);
    never.synchronize();
    Buffer buffer(size, memory, stream);
    Pinned back(size);
    std::ranges::fill(back.elements(), -1);
    R::fill_zero(buffer.data(), size * sizeof(int), stream.get());
    R::copy_to_host(back.elements().data(), buffer.data(), size * sizeof(int), stream.get());
    Event done = Event::make();
    done.record_for_host(stream);
    done.synchronize();
    return std::ranges::all_of(back.elements(), [](int element) { return element == 0; })
               ? ""
               : "the host does not wait for an event, or work runs out of order";
  }

  [[nodiscard]] static std::string pools() {
    const Stream stream;
    Pool pool;
    pool.reset_peak();
    const std::uint64_t before = pool.used_bytes();
    auto give_back = [&](void* memory) {
      pool.deallocate_async(memory, size, R::alignment_bytes, stream.get());
    };
    std::unique_ptr<void, decltype(give_back)> memory(
        pool.allocate_async(size, R::alignment_bytes, stream.get()), give_back);
    if (memory == nullptr) return "an allocation without memory and without an error";
    const std::uint64_t used = pool.used_bytes();
    if (used < before + size) return "memory that was allocated does not count as used";
    if (pool.peak_used_bytes() < used) return "less was used at most than is used now";
    if (pool.reserved_bytes() < used) return "less is had from the device than is used";
    if (reinterpret_cast<std::uintptr_t>(memory.get()) % R::alignment_bytes != 0) {
      return "memory is not aligned as the runtime says";
    }
    memory.reset();
    stream.synchronize();
    if (pool.used_bytes() != before) return "memory that was given back counts as used";
    pool.reset_peak();
    if (pool.peak_used_bytes() != before) return "the peak is not forgotten";
    pool.trim();
    return "";
  }

  [[nodiscard]] static std::string exhaustion() {
    const Stream stream;
    Pool pool;
    constexpr std::size_t too_much = std::numeric_limits<std::ptrdiff_t>::max() / 2;
    try {
      static_cast<void>(pool.allocate_async(too_much, R::alignment_bytes, stream.get()));
    } catch (const Error& error) {
      return error.code() == R::out_of_memory ? ""
                                              : "no memory is another error than out_of_memory";
    }
    return "more memory than there is was allocated";
  }

  [[nodiscard]] static std::string addresses() {
    const Stream stream;
    const Memory memory(std::make_shared<Pool>());
    const Buffer buffer(size, memory, stream);
    const reprise::DevicePointer there = R::locate(buffer.data());
    if (!there.is_on_device || there.device != stream.device()) {
      return "memory of the device is not located there";
    }
    Pinned pinned(size);
    if (R::locate(pinned.elements().data()).is_on_device) {
      return "pinned memory of the host is located on the device";
    }
    return "";
  }
};

/// @returns the first fault of a runtime; empty if there is none
template <reprise::DeviceRuntime R>
[[nodiscard]] std::string fault_of_runtime() {
  return RuntimeFaults<R>::first();
}

/// Checks a model of DeviceRuntime.
template <reprise::DeviceRuntime R>
void check_runtime() {
  CHECK(fault_of_runtime<R>() == "");
}

}  // namespace reprise_test
