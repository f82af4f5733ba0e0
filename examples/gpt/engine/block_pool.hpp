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
  [[nodiscard]] void* allocate(std::size_t bytes) {
    SizeClass& blocks = pool_[bytes];
    if (blocks.free.empty()) add_block(blocks, bytes);
    void* const block = blocks.free.back().release();
    blocks.free.pop_back();
    return block;
  }

  void release(void* block, std::size_t bytes) noexcept {
    auto& free = pool_.find(bytes)->second.free;
    free.emplace_back(static_cast<std::byte*>(block));  // room was made when the block was
  }

  /// The bytes taken from the system: what is in use, and what is kept.
  [[nodiscard]] std::uint64_t reserved_bytes() const noexcept { return reserved_bytes_; }

  /// Gives what is kept back to the system.
  void trim() noexcept {
    for (auto& [bytes, blocks] : pool_) {
      blocks.total -= blocks.free.size();
      reserved_bytes_ -= blocks.free.size() * bytes;
      blocks.free.clear();
    }
  }

 private:
  struct Delete {
    void operator()(std::byte* block) const noexcept { ::operator delete(block, alignment); }
  };
  using Block = std::unique_ptr<std::byte, Delete>;

  struct SizeClass {
    std::vector<Block> free;
    std::size_t total = 0;
  };

  void add_block(SizeClass& blocks, std::size_t bytes) {
    blocks.free.reserve(blocks.total + 1);
    blocks.free.emplace_back(static_cast<std::byte*>(::operator new(bytes, alignment)));
    ++blocks.total;
    reserved_bytes_ += bytes;
  }

  std::unordered_map<std::size_t, SizeClass> pool_;
  std::uint64_t reserved_bytes_ = 0;
};

}  // namespace gpt
