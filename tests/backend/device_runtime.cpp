// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// The classes that all device runtimes share, under one that is played on the host: what they own,
// what they do where a call fails, and the order of streams. Another runtime is one traits class.

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <reprise/backend/device_backend.hpp>
#include <reprise/backend/device_buffer.hpp>
#include <reprise/backend/device_error.hpp>
#include <reprise/backend/device_event.hpp>
#include <reprise/backend/device_loss_scale.hpp>
#include <reprise/backend/device_memory.hpp>
#include <reprise/backend/device_pinned_buffer.hpp>
#include <reprise/backend/device_pool.hpp>
#include <reprise/backend/device_runtime.hpp>
#include <reprise/backend/device_stream.hpp>
#include <reprise/backend/device_tensor.hpp>
#include <reprise/backend/gradient_view.hpp>
#include <reprise/core/error.hpp>
#include <reprise/core/tensor.hpp>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/played_runtime.hpp"
#include "support/runtime_conformance.hpp"

namespace {

using reprise_test::PlayedCode;
using reprise_test::PlayedMachine;
using reprise_test::PlayedRuntime;
using Error = reprise::DeviceError<PlayedRuntime>;
using Stream = reprise::DeviceStream<PlayedRuntime>;
using Event = reprise::DeviceEvent<PlayedRuntime>;
using Pool = reprise::DevicePool<PlayedRuntime>;
using Memory = reprise::DeviceMemory<PlayedRuntime>;
template <class T>
using Buffer = reprise::DeviceBuffer<T, PlayedRuntime>;
template <class T>
using Pinned = reprise::DevicePinnedBuffer<T, PlayedRuntime>;
using Tensor = reprise::DeviceTensor<float, PlayedRuntime>;
using Traits = reprise::tensor_traits<Tensor>;
using Backend = reprise::DeviceBackend<PlayedRuntime>;

static_assert(reprise::ChecksummableTensor<Tensor>);
static_assert(!reprise::DeviceRuntime<int>);
struct WithoutEvents : PlayedRuntime {
  static void record(event_type, stream_type) = delete;
};
static_assert(!reprise::DeviceRuntime<WithoutEvents>);
struct DestroysWithErrors : PlayedRuntime {
  static void destroy_stream(stream_type) {}
};
static_assert(!reprise::DeviceRuntime<DestroysWithErrors>);

/// A runtime of one's own: the host is the device, and what is enqueued is done at once.
struct ImmediateRuntime {
  struct Pool {
    std::uint64_t used_bytes = 0;
    std::uint64_t peak_used_bytes = 0;
  };
  struct Stream {};
  struct Event {};
  using error_type = int;
  using stream_type = Stream*;
  using event_type = Event*;
  using pool_type = Pool*;

  static constexpr const char* name = "Immediate";
  static constexpr int success = 0;
  static constexpr int out_of_memory = 1;
  static constexpr std::size_t alignment_bytes = 16;

  static const char* error_name(int code) { return code == success ? "success" : "out_of_memory"; }
  static const char* error_text(int) { return "there is not so much"; }
  static bool is_sticky(int) noexcept { return false; }
  static void clear_error() noexcept {}

  static int current_device() { return 0; }
  static Stream* make_stream() { return new Stream; }
  static void destroy_stream(Stream* stream) noexcept { delete stream; }
  static int device_of(Stream*) { return 0; }
  static bool is_capturing(Stream*) { return false; }
  static void synchronize(Stream*) {}

  static Event* make_event() { return new Event; }
  static void destroy_event(Event* event) noexcept { delete event; }
  static void record(Event*, Stream*) {}
  static void record_for_host(Event*, Stream*) {}
  static void wait(Stream*, Event*) {}
  static void synchronize(Event*) {}

  static Pool* make_pool() { return new Pool; }
  static void destroy_pool(Pool* pool) noexcept { delete pool; }
  static Pool* default_pool() {
    static Pool pool;
    return &pool;
  }
  static void* allocate(Pool* pool, std::size_t bytes, Stream*) {
    if (bytes > (1U << 30U)) reprise::check_device<ImmediateRuntime>(out_of_memory, "allocate");
    pool->used_bytes += bytes;
    pool->peak_used_bytes = std::max(pool->peak_used_bytes, pool->used_bytes);
    auto block = std::make_unique<std::byte[]>(bytes);
    void* const memory = block.get();
    blocks[memory] = {.pool = pool, .bytes = bytes, .memory = std::move(block)};
    return memory;
  }
  static void deallocate(void* memory, Stream*) {
    const auto block = blocks.extract(memory);
    block.mapped().pool->used_bytes -= block.mapped().bytes;
  }
  static void trim(Pool*) {}
  static std::uint64_t reserved_bytes(Pool* pool) { return pool->used_bytes; }
  static std::uint64_t used_bytes(Pool* pool) { return pool->used_bytes; }
  static std::uint64_t peak_used_bytes(Pool* pool) { return pool->peak_used_bytes; }
  static void reset_peak_used(Pool* pool) { pool->peak_used_bytes = pool->used_bytes; }

  static void fill_zero(void* memory, std::size_t bytes, Stream*) { std::memset(memory, 0, bytes); }
  static void copy_to_device(void* out, const void* in, std::size_t bytes, Stream*) {
    std::memcpy(out, in, bytes);
  }
  static void copy_to_host(void* out, const void* in, std::size_t bytes, Stream*) {
    std::memcpy(out, in, bytes);
  }
  static void* allocate_pinned(std::size_t bytes) { return ::operator new(bytes); }
  static void free_pinned(void* memory) noexcept { ::operator delete(memory); }
  static reprise::DevicePointer locate(const void* memory) {
    return {.is_on_device = blocks.contains(memory)};
  }

 private:
  struct Block {
    Pool* pool = nullptr;
    std::size_t bytes = 0;
    std::unique_ptr<std::byte[]> memory{};
  };
  static inline thread_local std::map<const void*, Block> blocks;
};

// Each offends against one part of the concept.
struct NeverWaits : PlayedRuntime {
  static void wait(stream_type, event_type) {}
};
struct LeavesMemoryAsItIs : PlayedRuntime {
  static void fill_zero(void*, std::size_t, stream_type) {}
};
struct CountsNothing : PlayedRuntime {
  static std::uint64_t used_bytes(pool_type) { return 0; }
};
struct TakesTheHostForTheDevice : PlayedRuntime {
  static reprise::DevicePointer locate(const void*) { return {.is_on_device = true}; }
};

/// A machine of its own for each test.
PlayedMachine& fresh_machine() { return PlayedRuntime::machine() = PlayedMachine{}; }

/// Enqueues the writing of all elements.
void fill(const Stream& stream, float* out, std::size_t size, float value) {
  PlayedRuntime::enqueue(stream.get(), [=] { std::fill_n(out, size, value); });
}
/// Enqueues a copy between elements on the device.
void copy(const Stream& stream, const float* in, std::size_t size, float* out) {
  PlayedRuntime::enqueue(stream.get(), [=] { std::copy_n(in, size, out); });
}

/// Uses each class at least once; returns what a step of the backend came to.
double use_everything() {
  const Stream home;
  const Stream other;
  const Memory memory(std::make_shared<Pool>());
  Tensor a(3, memory, home);
  Tensor b(3, memory, home);
  static constexpr std::array host{1.0F, 2.0F,
                                   3.0F};  // where a call fails, the copy is yet to come
  a.copy_from(host);
  fill(other, b.write(other).data(), 3, 2.0F);
  {
    const auto from = a.read(other);
    const auto to = b.write(other);
    copy(other, from.data(), 3, to.data());
  }
  Traits::accumulate(a, b);
  Backend backend(home, memory);
  const std::vector<reprise::GradientView> views{
      reprise::gradient_view(a.write(home).data(), 3, 0)};
  const auto plan = backend.make_plan(views, 1);
  auto sums = backend.make_buffer(1);
  backend.sum_of_squares(plan, sums);
  auto readback = backend.make_readback(1);
  for (std::size_t i = 0; i <= Backend::readback_delay; ++i) backend.publish(sums, readback);
  return backend.latest(readback).front();
}

}  // namespace

TEST_CASE("what is made is given back, also after a move") {
  PlayedMachine& machine = fresh_machine();
  {
    const Stream stream;
    const Memory memory(std::make_shared<Pool>());
    Buffer<int> buffer(3, memory, stream);
    Buffer<int> moved(std::move(buffer));
    CHECK(buffer.data() == nullptr);
    CHECK(buffer.size() == 0);
    buffer = std::move(moved);
    CHECK(buffer.size() == 3);
    const Buffer<int> empty(0, memory, stream);
    CHECK(empty.data() == nullptr);
    Event event = Event::make();
    event = Event();
    Pinned<double> pinned(4);
    Pinned<double> other = std::move(pinned);
    CHECK(pinned.elements().empty());
    CHECK(other.elements().size() == 4);
    Tensor tensor(5, memory, stream);
    Tensor taken = std::move(tensor);
    CHECK(tensor.size() == 0);
    CHECK(tensor.storage() == nullptr);
    CHECK(taken.size() == 5);
    const Stream copy = stream;
    CHECK(machine.streams.size() == 1);
    CHECK(machine.memory.size() == 2);
  }
  CHECK(machine.is_clean());
  CHECK_FALSE(std::is_copy_constructible_v<Buffer<int>>);
  CHECK_FALSE(std::is_copy_constructible_v<Tensor>);
  CHECK_THROWS_WITH_AS(static_cast<void>(Tensor{}.home()),
                       "an empty PlayedTensor has no elements to use", reprise::InvalidState);
}

TEST_CASE("the caller's stream and pool stay the caller's") {
  PlayedMachine& machine = fresh_machine();
  auto* const handle = PlayedRuntime::make_stream();
  auto* const pool = PlayedRuntime::make_pool();
  {
    const Stream stream(handle);
    Pool borrowed(pool);
    PlayedRuntime::deallocate(borrowed.allocate_async(8, 8, handle), handle);
    CHECK_THROWS_WITH_AS(static_cast<void>(borrowed.allocate_async(8, 128, handle)),
                         "PlayedPool: an alignment of 128 bytes, it has 64",
                         reprise::InvalidArgument);
    machine.device = 1;
    CHECK_THROWS_WITH_AS(Stream{handle}, "a stream of device 0, while the current device is 1",
                         reprise::InvalidArgument);
  }
  CHECK(machine.streams.contains(handle));
  CHECK(machine.pools.contains(pool));
  PlayedRuntime::destroy_stream(handle);
  PlayedRuntime::destroy_pool(pool);
  CHECK_THROWS_AS(Stream{handle}, Error);
  CHECK(machine.is_clean());
}

TEST_CASE("a call that fails is an error with its code and its name, and is taken away") {
  PlayedMachine& machine = fresh_machine();
  machine.failing_call = 1;
  machine.failure = PlayedCode::broken;
  try {
    const Stream stream;
    FAIL("the first call failed");
  } catch (const Error& error) {
    CHECK(std::string(error.what()) == "make_stream: broken (3), as the test asked for");
    CHECK(error.code() == PlayedCode::broken);
    CHECK(error.call() == "make_stream");
    CHECK(error.is_sticky());
  }
  CHECK(machine.clears == 1);
  CHECK_FALSE(Error(PlayedCode::no_memory, "allocate").is_sticky());
}

TEST_CASE("whichever call fails, nothing leaks and no destructor throws") {
  for (const PlayedCode failure : {PlayedCode::not_a_stream, PlayedCode::broken}) {
    PlayedMachine& counted = fresh_machine();
    CHECK(use_everything() == 4.0 + 16.0 + 36.0);
    CHECK(counted.is_clean());
    const std::uint64_t calls = counted.calls;
    REQUIRE(calls > 40);
    for (std::uint64_t failing = 1; failing <= calls; ++failing) {
      PlayedMachine& machine = fresh_machine();
      machine.failing_call = failing;
      machine.failure = failure;
      try {
        static_cast<void>(use_everything());
      } catch (const Error& error) {
        if (!error.is_sticky()) CHECK(error.call() == machine.failed_call);
        CHECK(error.code() == failure);
      }
      CAPTURE(failing);
      CAPTURE(machine.failed_call);
      CHECK_FALSE(machine.failed_call.empty());
      CHECK(machine.streams.empty());
      CHECK(machine.events.empty());
      CHECK(machine.pools.empty());
      CHECK(machine.pinned.empty());
      // What cannot be given back is lost, with the context or with that one call.
      const bool is_lost = failure == PlayedCode::broken || machine.failed_call == "deallocate";
      if (!is_lost) CHECK(machine.memory.empty());
      while (!machine.memory.empty()) {
        ::operator delete (machine.memory.begin()->first,
                           std::align_val_t{PlayedRuntime::alignment_bytes});
        machine.memory.erase(machine.memory.begin());
      }
    }
  }
}

TEST_CASE("an allocation that fails makes room, trims and raises only then") {
  PlayedMachine& machine = fresh_machine();
  struct Small {
    void* allocate_async(std::size_t bytes, std::size_t alignment,
                         PlayedRuntime::stream_type stream) {
      if (bytes > capacity - pool.used_bytes()) throw std::bad_alloc();
      return pool.allocate_async(bytes, alignment, stream);
    }
    void deallocate_async(void* memory, std::size_t bytes, std::size_t alignment,
                          PlayedRuntime::stream_type stream) {
      pool.deallocate_async(memory, bytes, alignment, stream);
    }
    void trim() { ++trims; }

    Pool pool{};
    std::size_t capacity = 1000;
    int trims = 0;
  };
  {
    Small small;
    const Stream stream;
    std::optional<Buffer<char>> evictable;
    const Memory memory(small, [&](std::size_t) {
      const bool has_any = evictable.has_value();
      evictable.reset();
      return has_any;
    });
    evictable.emplace(std::size_t{600}, memory, stream);
    {
      // What was freed is free when the stream has got there, for which the allocation waits.
      const Buffer<char> other(std::size_t{500}, memory, stream);
      CHECK_FALSE(evictable.has_value());
      CHECK(small.trims == 1);
      CHECK_THROWS_WITH_AS((Buffer<char>(std::size_t{501}, memory, stream)),
                           "allocation of 501 bytes: no_memory (1), as the test asked for", Error);
      CHECK(small.trims == 2);
    }
    CHECK(small.pool.used_bytes() == 500);
    stream.synchronize();
    CHECK(small.pool.used_bytes() == 0);
    CHECK(small.pool.peak_used_bytes() == 600);
    machine.failing_call = machine.calls + 1;
    machine.failure = PlayedCode::broken;
    CHECK_THROWS_WITH_AS((Buffer<char>(std::size_t{1}, memory, stream)),
                         "allocate: broken (3), as the test asked for", Error);
    machine.failing_call = 0;
  }
  CHECK(machine.is_clean());
}

TEST_CASE("a buffer's work and its end come in the order of its stream") {
  fresh_machine();
  const Stream stream;
  const Memory memory;
  std::array<int, 2> out{7, 7};
  {
    const std::array<int, 2> in{1, 2};
    Buffer<int> buffer(2, memory, stream);
    buffer.copy_from(in);
    buffer.copy_to(out);
    CHECK(out == std::array{7, 7});
    stream.synchronize();
    CHECK(out == std::array{1, 2});
    buffer.clear();
    buffer.copy_to(out);
  }
  CHECK(PlayedRuntime::machine().memory.size() == 1);
  stream.synchronize();
  CHECK(out == std::array{0, 0});
  CHECK(PlayedRuntime::machine().memory.empty());
}

TEST_CASE("streams that share a tensor wait for each other, and the host for none") {
  fresh_machine();
  const Stream home;
  const Stream other;
  const Memory memory;
  std::optional<Tensor> tensor;
  tensor.emplace(std::size_t{2}, memory, home);
  Tensor seen(2, memory, other);
  fill(home, tensor->write(home).data(), 2, 5.0F);
  copy(other, tensor->read(other).data(), 2, seen.write(other).data());
  fill(home, tensor->write(home).data(), 2, 6.0F);
  copy(other, tensor->read(other).data(), 2, seen.write(other).data() + 0);
  const auto* const raw = static_cast<const float*>(tensor->storage());
  CHECK(raw[0] != 5.0F);  // nothing has run
  home.synchronize();     // the second write waited for the first reader
  CHECK(raw[0] == 6.0F);
  CHECK(static_cast<const float*>(seen.storage())[0] == 5.0F);
  fill(other, tensor->write(other).data(), 2, 8.0F);
  fill(home, tensor->write(home).data(), 1, 9.0F);
  CHECK(tensor->to_host() == std::vector<float>{9, 8});
  copy(other, tensor->read(other).data(), 2, seen.write(other).data());
  tensor.reset();  // its end waits for the reader
  home.synchronize();
  CHECK(seen.to_host() == std::vector<float>{9, 8});
}

TEST_CASE("more readers than are kept still hold the writer back") {
  fresh_machine();
  const Stream home;
  const Memory memory;
  Tensor tensor(1, memory, home);
  fill(home, tensor.write(home).data(), 1, 1.0F);
  std::vector<Stream> others(40);
  std::vector<float> seen(others.size());
  for (std::size_t i = 0; i < others.size(); ++i) {
    copy(others[i], tensor.read(others[i]).data(), 1, &seen[i]);
  }
  fill(home, tensor.write(home).data(), 1, 2.0F);
  home.synchronize();
  CHECK(seen == std::vector<float>(others.size(), 1.0F));
  Tensor other(2, memory, home);
  CHECK_THROWS_WITH_AS(Traits::accumulate(tensor, other),
                       "cannot add a tensor of 2 elements to one of 1", reprise::InvalidArgument);
}

TEST_CASE("memory that kernels cannot read is refused when it is registered") {
  PlayedMachine& machine = fresh_machine();
  const Backend backend;
  Pinned<float> pinned(4);
  CHECK_THROWS_WITH_AS(static_cast<void>(backend.make_plan(
                           std::vector{reprise::gradient_view(pinned.elements().data(), 4, 0)}, 1)),
                       "gradient 0 (layer 0, 4 elements): it lies in host memory",
                       reprise::InvalidArgument);
  CHECK_THROWS_WITH_AS(backend.check(reprise::DeviceLossScale{pinned.elements().data()}),
                       "DeviceLossScale: the loss scale lies in host memory",
                       reprise::InvalidArgument);
  const float on_device = 1;
  backend.check(reprise::DeviceLossScale{&on_device});
  machine.device = 1;
  CHECK_THROWS_WITH_AS(backend.check(reprise::DeviceLossScale{&on_device}),
                       "DeviceLossScale: the loss scale lies on device 1, the backend's stream on "
                       "device 0",
                       reprise::InvalidArgument);
}

TEST_CASE("the played runtime") {
  PlayedMachine& machine = fresh_machine();
  reprise_test::check_runtime<PlayedRuntime>();
  CHECK(machine.is_clean());
}
TEST_CASE("a runtime of one's own conforms by one line") {
  reprise_test::check_runtime<ImmediateRuntime>();
}

TEST_CASE("a runtime that offends against the concept's semantics is found out") {
  fresh_machine();
  CHECK(reprise_test::fault_of_runtime<NeverWaits>() ==
        "a stream does not wait for the event that another one recorded");
  CHECK(reprise_test::fault_of_runtime<LeavesMemoryAsItIs>() ==
        "memory filled with zeros is not zero");
  CHECK(reprise_test::fault_of_runtime<CountsNothing>() ==
        "memory that was allocated does not count as used");
  CHECK(reprise_test::fault_of_runtime<TakesTheHostForTheDevice>() ==
        "pinned memory of the host is located on the device");
  fresh_machine();
}
