// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The engine's tensor, and what Reprise needs to know of it.

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <reprise/core/hash.hpp>
#include <reprise/core/tensor.hpp>
#include <span>
#include <utility>

#include "engine/for_each_index.hpp"
#include "engine/memory.hpp"

namespace gpt {

/// A contiguous matrix of floats that owns its memory; move-only. Elements start uninitialised.
class Tensor {
 public:
  Tensor() = default;
  /// @throws std::bad_alloc
  Tensor(Memory& memory, std::size_t rows, std::size_t columns)
      : memory_(&memory), rows_(rows), columns_(columns), data_(memory.allocate(rows * columns)) {}
  Tensor(const Tensor&) = delete;
  Tensor& operator=(const Tensor&) = delete;
  Tensor(Tensor&& other) noexcept
      : memory_(other.memory_),
        rows_(std::exchange(other.rows_, 0)),
        columns_(std::exchange(other.columns_, 0)),
        data_(std::exchange(other.data_, nullptr)) {}
  Tensor& operator=(Tensor&& other) noexcept {
    Tensor taken(std::move(other));
    swap(taken);
    return *this;
  }
  ~Tensor() {
    if (data_ != nullptr) memory_->release(data_, size());
  }

  void swap(Tensor& other) noexcept {
    std::swap(memory_, other.memory_);
    std::swap(rows_, other.rows_);
    std::swap(columns_, other.columns_);
    std::swap(data_, other.data_);
  }

  [[nodiscard]] float* data() noexcept { return data_; }
  [[nodiscard]] const float* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t rows() const noexcept { return rows_; }
  [[nodiscard]] std::size_t columns() const noexcept { return columns_; }
  [[nodiscard]] std::size_t size() const noexcept { return rows_ * columns_; }
  [[nodiscard]] std::size_t bytes() const noexcept { return size() * sizeof(float); }
  [[nodiscard]] bool empty() const noexcept { return data_ == nullptr; }
  [[nodiscard]] std::span<float> elements() noexcept { return {data_, size()}; }
  [[nodiscard]] std::span<const float> elements() const noexcept { return {data_, size()}; }
  /// The allocator of this tensor, for tensors made from it.
  [[nodiscard]] Memory& memory() const noexcept {
    assert(memory_ != nullptr);
    return *memory_;
  }

 private:
  Memory* memory_ = nullptr;
  std::size_t rows_ = 0;
  std::size_t columns_ = 0;
  float* data_ = nullptr;
};

/// An uninitialised tensor of the shape and the allocator of another.
[[nodiscard]] inline Tensor make_like(const Tensor& other) {
  return {other.memory(), other.rows(), other.columns()};
}

/// `into[i] += part[i]`.
struct AddTo {
  float* into;
  const float* part;

  GPT_KERNEL void operator()(std::size_t i) const { into[i] += part[i]; }
};

}  // namespace gpt

template <>
struct reprise::tensor_traits<gpt::Tensor> {
  [[nodiscard]] static byte_count bytes(const gpt::Tensor& tensor) noexcept {
    return tensor.bytes();
  }
  [[nodiscard]] static const void* storage(const gpt::Tensor& tensor) noexcept {
    return tensor.data();
  }
  static void accumulate(gpt::Tensor& into, const gpt::Tensor& part) {
    assert(into.size() == part.size());
    gpt::for_each_index(into.size(), gpt::AddTo{into.data(), part.data()});
  }
  [[nodiscard]] static std::uint64_t signature(const gpt::Tensor& tensor) noexcept {
    return hash_combine(tensor.rows(), tensor.columns());
  }
  [[nodiscard]] static std::uint64_t checksum(const gpt::Tensor& tensor) noexcept {
    return hash_bytes(std::as_bytes(tensor.elements()), signature(tensor));
  }
};

static_assert(reprise::ChecksummableTensor<gpt::Tensor>);
