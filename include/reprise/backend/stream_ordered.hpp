// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Memory in stream order, by whatever signatures a resource has.

#include <concepts>
#include <cstddef>

namespace reprise::inline v0 {

/// Ways in which resources allocate in stream order, newest first.
namespace stream_ordered {

/// CCCL from 3.1 on, RMM from 25.12 on.
template <class R, class Stream>
concept StreamFirst = requires(R& resource, Stream stream, void* memory, std::size_t bytes,
                               std::size_t alignment) {
  { resource.allocate(stream, bytes, alignment) } -> std::same_as<void*>;
  resource.deallocate(stream, memory, bytes, alignment);
};

/// CCCL up to 3.0 and RMM before, whose own resources have both this and the next.
template <class R, class Stream>
concept Async = requires(R& resource, Stream stream, void* memory, std::size_t bytes,
                         std::size_t alignment) {
  { resource.allocate_async(bytes, alignment, stream) } -> std::same_as<void*>;
  resource.deallocate_async(memory, bytes, alignment, stream);
};

/// RMM's `device_memory_resource` of all years; its alignment is 256 bytes.
template <class R, class Stream>
concept StreamLast = requires(R& resource, Stream stream, void* memory, std::size_t bytes) {
  { resource.allocate(bytes, stream) } -> std::same_as<void*>;
  resource.deallocate(memory, bytes, stream);
};

/// One of them.
template <class R, class Stream>
concept Resource = StreamFirst<R, Stream> || Async<R, Stream> || StreamLast<R, Stream>;

/// Memory that what is enqueued in the stream afterwards may use.
/// @param alignment in bytes, a power of two up to 256
template <class Stream, Resource<Stream> R>
[[nodiscard]] void* allocate(R& resource, std::size_t bytes, std::size_t alignment, Stream stream) {
  if constexpr (StreamFirst<R, Stream>) {
    return resource.allocate(stream, bytes, alignment);
  } else if constexpr (Async<R, Stream>) {
    return resource.allocate_async(bytes, alignment, stream);
  } else {
    return resource.allocate(bytes, stream);
  }
}

/// Gives it back when the stream gets there, with what it was allocated with.
template <class Stream, Resource<Stream> R>
void deallocate(R& resource, void* memory, std::size_t bytes, std::size_t alignment,
                Stream stream) {
  if constexpr (StreamFirst<R, Stream>) {
    resource.deallocate(stream, memory, bytes, alignment);
  } else if constexpr (Async<R, Stream>) {
    resource.deallocate_async(memory, bytes, alignment, stream);
  } else {
    resource.deallocate(memory, bytes, stream);
  }
}

}  // namespace stream_ordered

}  // namespace reprise::inline v0
