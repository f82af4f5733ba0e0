// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What a program takes of its heap. Replaces operator new and operator delete, so that one source
/// of a program may include it.

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace reprise_test {

/// In bytes that were asked for.
struct Heap {
  std::size_t live = 0;
  std::size_t peak = 0;
  std::size_t taken = 0;  ///< in all
};
inline Heap heap;

// Each block is preceded by its size, so that what is live is known without the allocator's help.
inline constexpr std::size_t heap_header = alignof(std::max_align_t);

}  // namespace reprise_test

void* operator new(std::size_t size) {
  void* const block = std::malloc(reprise_test::heap_header + size);
  if (block == nullptr) throw std::bad_alloc();
  *static_cast<std::size_t*>(block) = size;
  reprise_test::Heap& heap = reprise_test::heap;
  heap.live += size;
  heap.taken += size;
  heap.peak = std::max(heap.peak, heap.live);
  return static_cast<char*>(block) + reprise_test::heap_header;
}
void operator delete(void* memory) noexcept {
  if (memory == nullptr) return;
  void* const block = static_cast<char*>(memory) - reprise_test::heap_header;
  reprise_test::heap.live -= *static_cast<std::size_t*>(block);
  std::free(block);
}
void operator delete(void* memory, std::size_t /*size*/) noexcept { operator delete(memory); }
// A sanitizer's own would not come here, and what it gives has no header.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  try {
    return operator new(size);
  } catch (...) {
    return nullptr;
  }
}
void operator delete(void* memory, const std::nothrow_t&) noexcept { operator delete(memory); }
