// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Where the engine's tensors get their bytes: counted to the byte, and pooled.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>
#include <unordered_map>
#include <vector>

namespace gpt {

/// An allocator of floats that counts the bytes that are asked of it and keeps freed blocks by
/// size.
///
/// Pooling keeps the system's allocator out of the time of a step: training asks for the same sizes
/// over and over. Used by one thread at a time; outlives the tensors that it serves.
class Memory {
 public:
  static constexpr std::align_val_t alignment{64};

  Memory() = default;
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() { trim(); }

  /// @throws std::bad_alloc if there is no memory, or this is the allocation that shall fail.
  [[nodiscard]] float* allocate(std::size_t count) {
    if (allocations_++ == failing_allocation_) throw std::bad_alloc();
    SizeClass& blocks = pool_[count];
    if (blocks.free.empty()) add_block(blocks, count);
    float* const block = blocks.free.back();
    blocks.free.pop_back();
    live_bytes_ += count * sizeof(float);
    if (live_bytes_ > peak_bytes_) peak_bytes_ = live_bytes_;
    return block;
  }

  void release(float* block, std::size_t count) noexcept {
    live_bytes_ -= count * sizeof(float);
    pool_.find(count)->second.free.push_back(block);  // room was made when the block was
  }

  /// The bytes that live tensors asked for.
  [[nodiscard]] std::uint64_t live_bytes() const noexcept { return live_bytes_; }
  /// The most that was live since the last `reset_peak`.
  [[nodiscard]] std::uint64_t peak_bytes() const noexcept { return peak_bytes_; }
  void reset_peak() noexcept { peak_bytes_ = live_bytes_; }
  /// The bytes taken from the system: what is live, and the pool.
  [[nodiscard]] std::uint64_t reserved_bytes() const noexcept { return reserved_bytes_; }

  /// The number of allocations so far.
  [[nodiscard]] std::uint64_t allocations() const noexcept { return allocations_; }
  /// Makes the allocation with this number, counted from 0 since the start, fail: for tests.
  void fail_allocation(std::uint64_t number) noexcept { failing_allocation_ = number; }

  /// Gives the pool back to the system.
  void trim() noexcept {
    for (auto& [count, blocks] : pool_) {
      for (float* const block : blocks.free) ::operator delete(block, alignment);
      blocks.total -= blocks.free.size();
      reserved_bytes_ -= blocks.free.size() * count * sizeof(float);
      blocks.free.clear();
    }
  }

 private:
  struct SizeClass {
    std::vector<float*> free;
    std::size_t total = 0;
  };

  void add_block(SizeClass& blocks, std::size_t count) {
    blocks.free.reserve(blocks.total + 1);
    blocks.free.push_back(static_cast<float*>(::operator new(count * sizeof(float), alignment)));
    ++blocks.total;
    reserved_bytes_ += count * sizeof(float);
  }

  std::unordered_map<std::size_t, SizeClass> pool_;
  std::uint64_t live_bytes_ = 0;
  std::uint64_t peak_bytes_ = 0;
  std::uint64_t reserved_bytes_ = 0;
  std::uint64_t allocations_ = 0;
  std::uint64_t failing_allocation_ = std::numeric_limits<std::uint64_t>::max();
};

}  // namespace gpt
