// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <reprise/core/error.hpp>
#include <reprise/core/hash.hpp>
#include <reprise/core/tensor.hpp>
#include <span>
#include <utility>
#include <vector>

namespace reprise_test {

/// Counts the bytes under all tensors, and fails the n-th allocation on request.
struct CountingMemory {
  std::uint64_t live = 0;
  std::uint64_t peak = 0;
  std::uint64_t allocations = 0;
  std::optional<std::uint64_t> fails_at{};

  void take(std::uint64_t bytes) {
    if (fails_at && allocations == *fails_at) {
      ++allocations;
      throw std::bad_alloc();
    }
    ++allocations;
    live += bytes;
    peak = std::max(peak, live);
  }
};

/// A handle to counted elements; copies share the memory, as views do.
template <class Number>
class BasicCountingTensor {
 public:
  using value_type = Number;

  BasicCountingTensor() = default;
  BasicCountingTensor(CountingMemory& memory, std::size_t size)
      : buffer_(std::make_shared<Buffer>(memory, size)) {}

  [[nodiscard]] std::size_t size() const { return buffer_ ? buffer_->data.size() : 0; }
  [[nodiscard]] Number* data() const { return buffer_ ? buffer_->data.data() : nullptr; }
  [[nodiscard]] Number& operator[](std::size_t i) const { return buffer_->data[i]; }
  [[nodiscard]] CountingMemory& memory() const { return buffer_->memory; }
  [[nodiscard]] const void* storage() const { return buffer_.get(); }
  [[nodiscard]] std::uint64_t version() const { return buffer_ ? buffer_->version : 0; }
  [[nodiscard]] bool is_persistent() const { return buffer_ && buffer_->is_persistent; }
  /// Says that the tensor is a parameter.
  void persist() const { buffer_->is_persistent = true; }
  /// Says that elements were changed in place.
  void changed() const { ++buffer_->version; }

 private:
  struct Buffer {
    Buffer(CountingMemory& m, std::size_t size) : memory(m) {
      memory.take(size * sizeof(Number));
      data.resize(size);
    }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    ~Buffer() { memory.live -= data.size() * sizeof(Number); }

    CountingMemory& memory;
    std::vector<Number> data;
    std::uint64_t version = 0;
    bool is_persistent = false;
  };

  std::shared_ptr<Buffer> buffer_;
};

using CountingTensor = BasicCountingTensor<float>;

}  // namespace reprise_test

template <class Number>
struct reprise::tensor_traits<reprise_test::BasicCountingTensor<Number>> {
  using tensor = reprise_test::BasicCountingTensor<Number>;
  static byte_count bytes(const tensor& t) { return t.size() * sizeof(Number); }
  static const void* storage(const tensor& t) { return t.storage(); }
  static void accumulate(tensor& into, const tensor& part) {
    for (std::size_t i = 0; i < into.size(); ++i) into[i] += part[i];
    if (into.size() > 0) into.changed();
  }
  static bool is_persistent(const tensor& t) { return t.is_persistent(); }
  static std::uint64_t version(const tensor& t) { return t.version(); }
  static std::uint64_t checksum(const tensor& t) {
    return hash_bytes(std::as_bytes(std::span<const Number>(t.data(), t.size())));
  }
};
