// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Blocks of host memory that are used again.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <unordered_map>
#include <vector>

namespace gpt {

/// Keeps freed blocks by size, so that the system's allocator is no part of the time of a step:
/// training asks for the same sizes over and over. Used by one thread at a time.
class BlockPool {
 public:
  /// What blocks are aligned to, in bytes.
  static constexpr std::align_val_t alignment{64};

  /// @throws std::bad_alloc if there is no memory
  [[nodiscard]] float* allocate(std::size_t count) {
    SizeClass& blocks = pool_[count];
    if (blocks.free.empty()) add_block(blocks, count);
    float* const block = blocks.free.back().release();
    blocks.free.pop_back();
    return block;
  }

  void release(float* block, std::size_t count) noexcept {
    pool_.find(count)->second.free.emplace_back(block);  // room was made when the block was
  }

  /// The bytes taken from the system: what is in use, and what is kept.
  [[nodiscard]] std::uint64_t reserved_bytes() const noexcept { return reserved_bytes_; }

  /// Gives what is kept back to the system.
  void trim() noexcept {
    for (auto& [count, blocks] : pool_) {
      blocks.total -= blocks.free.size();
      reserved_bytes_ -= blocks.free.size() * count * sizeof(float);
      blocks.free.clear();
    }
  }

 private:
  struct Delete {
    void operator()(float* block) const noexcept { ::operator delete(block, alignment); }
  };
  using Block = std::unique_ptr<float, Delete>;

  struct SizeClass {
    std::vector<Block> free;
    std::size_t total = 0;
  };

  void add_block(SizeClass& blocks, std::size_t count) {
    blocks.free.reserve(blocks.total + 1);
    blocks.free.emplace_back(static_cast<float*>(::operator new(count * sizeof(float), alignment)));
    ++blocks.total;
    reserved_bytes_ += count * sizeof(float);
  }

  std::unordered_map<std::size_t, SizeClass> pool_;
  std::uint64_t reserved_bytes_ = 0;
};

}  // namespace gpt
