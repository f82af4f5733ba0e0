// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Where the engine's tensors get their bytes: counted to the byte.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>
#include <utility>

#include "engine/cpu.hpp"

namespace gpt {

/// A device's memory, with the bytes counted that are asked of it.
///
/// Used by one thread at a time; outlives the tensors that it serves.
template <class Device = Cpu>
class Memory {
 public:
  using Element = typename Device::Element;

  explicit Memory(Device device = Device{}) : device_(std::move(device)) {}
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  /// @throws std::bad_alloc if this is the allocation that shall fail, and what the device throws
  /// if there is no memory.
  [[nodiscard]] Element* allocate(std::size_t count) {
    if (allocations_++ == failing_allocation_) throw std::bad_alloc();
    void* const block = device_.allocate(count * sizeof(Element));
    live_bytes_ += count * sizeof(Element);
    if (live_bytes_ > peak_bytes_) peak_bytes_ = live_bytes_;
    return static_cast<Element*>(block);
  }

  void release(Element* block, std::size_t count) noexcept {
    live_bytes_ -= count * sizeof(Element);
    device_.release(block, count * sizeof(Element));
  }

  /// What computes with the tensors.
  [[nodiscard]] Device& device() noexcept { return device_; }

  /// The bytes that live tensors asked for.
  [[nodiscard]] std::uint64_t live_bytes() const noexcept { return live_bytes_; }
  /// The most that was live since the last `reset_peak`.
  [[nodiscard]] std::uint64_t peak_bytes() const noexcept { return peak_bytes_; }
  void reset_peak() {
    peak_bytes_ = live_bytes_;
    device_.reset_peak();
  }
  /// The bytes taken from the system: what is live, and what the device keeps.
  [[nodiscard]] std::uint64_t reserved_bytes() const { return device_.reserved_bytes(); }

  /// The number of allocations so far.
  [[nodiscard]] std::uint64_t allocations() const noexcept { return allocations_; }
  /// Makes the allocation with this number, counted from 0 since the start, fail: for tests.
  void fail_allocation(std::uint64_t number) noexcept { failing_allocation_ = number; }

  /// Gives what the device keeps back to the system.
  void trim() { device_.trim(); }

 private:
  Device device_;
  std::uint64_t live_bytes_ = 0;
  std::uint64_t peak_bytes_ = 0;
  std::uint64_t allocations_ = 0;
  std::uint64_t failing_allocation_ = std::numeric_limits<std::uint64_t>::max();
};

}  // namespace gpt
