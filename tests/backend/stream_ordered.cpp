// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// Resources of every shape that RMM and CCCL have had, as toys: they are models, and each is called
// in its own way.

#include <doctest/doctest.h>

#include <cstddef>
#include <reprise/backend/stream_ordered.hpp>
#include <string>
#include <type_traits>
#include <vector>

namespace {

namespace stream_ordered = reprise::stream_ordered;

// A handle as CUDA's is, and the views that CCCL and RMM make of it.
struct StreamState {};
using Stream = StreamState*;

struct StreamView {
  StreamView(Stream handle) : stream(handle) {}  // NOLINT(google-explicit-constructor)
  StreamView(int) = delete;
  StreamView(std::nullptr_t) = delete;
  Stream stream = nullptr;
};

struct Call {
  std::string name;
  void* memory;
  std::size_t bytes;
  std::size_t alignment;
  Stream stream;
  bool operator==(const Call&) const = default;
};

struct Calls {
  std::vector<Call> made{};
  std::byte storage{};

  void* took(const std::string& name, std::size_t bytes, std::size_t alignment, Stream stream) {
    made.push_back({name, nullptr, bytes, alignment, stream});
    return &storage;
  }
};

// CCCL 3.1 and RMM 25.12.
struct Present : Calls {
  void* allocate(StreamView stream, std::size_t bytes, std::size_t alignment) {
    return took("allocate(stream, bytes, alignment)", bytes, alignment, stream.stream);
  }
  void deallocate(StreamView stream, void* memory, std::size_t bytes,
                  std::size_t alignment) noexcept {
    made.push_back({"deallocate", memory, bytes, alignment, stream.stream});
  }
  void* allocate_sync(std::size_t bytes, std::size_t alignment) {
    return took("allocate_sync", bytes, alignment, nullptr);
  }
  void deallocate_sync(void* /*memory*/, std::size_t /*bytes*/, std::size_t /*alignment*/) {}
};

// CCCL 2 to 3.0.
struct Before : Calls {
  void* allocate_async(std::size_t bytes, std::size_t alignment, StreamView stream) {
    return took("allocate_async(bytes, alignment, stream)", bytes, alignment, stream.stream);
  }
  void deallocate_async(void* memory, std::size_t bytes, std::size_t alignment, StreamView stream) {
    made.push_back({"deallocate", memory, bytes, alignment, stream.stream});
  }
  void* allocate(std::size_t bytes, std::size_t alignment) {
    return took("allocate(bytes, alignment)", bytes, alignment, nullptr);
  }
  void deallocate(void* /*memory*/, std::size_t /*bytes*/, std::size_t /*alignment*/) {}
};

// RMM before 23.
struct Early : Calls {
  void* allocate(std::size_t bytes, StreamView stream = Stream{}) {
    return took("allocate(bytes, stream)", bytes, 0, stream.stream);
  }
  void deallocate(void* memory, std::size_t bytes, StreamView stream = Stream{}) {
    made.push_back({"deallocate", memory, bytes, 0, stream.stream});
  }
};

// RMM from 23 to 25.10 has the older signatures beside the newer.
struct Between : Before {
  using Before::allocate;
  using Before::deallocate;
  void* allocate(std::size_t bytes, StreamView stream) {
    return took("allocate(bytes, stream)", bytes, 0, stream.stream);
  }
  void deallocate(void* memory, std::size_t bytes, StreamView stream) {
    made.push_back({"deallocate", memory, bytes, 0, stream.stream});
  }
};

// While a library changes from one to the next it has both.
struct Changing : Before {
  using Before::allocate;
  using Before::deallocate;
  void* allocate(StreamView stream, std::size_t bytes, std::size_t alignment) {
    return took("allocate(stream, bytes, alignment)", bytes, alignment, stream.stream);
  }
  void deallocate(StreamView stream, void* memory, std::size_t bytes, std::size_t alignment) {
    made.push_back({"deallocate", memory, bytes, alignment, stream.stream});
  }
};

// No order of a stream, or not the memory back.
struct Synchronous {
  void* allocate(std::size_t bytes, std::size_t alignment);
  void deallocate(void* memory, std::size_t bytes, std::size_t alignment);
};
struct OneWay {
  void* allocate(StreamView stream, std::size_t bytes, std::size_t alignment);
};
struct Typed {
  float* allocate(StreamView stream, std::size_t bytes, std::size_t alignment);
  void deallocate(StreamView stream, void* memory, std::size_t bytes, std::size_t alignment);
};

template <class R>
constexpr bool is_resource = stream_ordered::Resource<R, Stream>;
static_assert(is_resource<Present> && is_resource<Before> && is_resource<Early>);
static_assert(is_resource<Between> && is_resource<Changing>);
static_assert(!is_resource<Synchronous> && !is_resource<OneWay> && !is_resource<Typed>);
static_assert(!is_resource<const Present> && !is_resource<int>);

}  // namespace

TEST_CASE_TEMPLATE("a resource gets what it was asked for, in its own order", R, Present, Before,
                   Early, Between, Changing) {
  R resource;
  StreamState state;
  void* const memory = stream_ordered::allocate(resource, 100, 32, &state);
  CHECK(memory == &resource.storage);
  stream_ordered::deallocate(resource, memory, 100, 32, &state);
  const std::size_t alignment = std::is_same_v<R, Early> ? 0 : 32;
  const std::string name = std::is_same_v<R, Early> ? "allocate(bytes, stream)"
                           : stream_ordered::StreamFirst<R, Stream>
                               ? "allocate(stream, bytes, alignment)"
                               : "allocate_async(bytes, alignment, stream)";
  CHECK(resource.made == std::vector<Call>{{name, nullptr, 100, alignment, &state},
                                           {"deallocate", memory, 100, alignment, &state}});
}
