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

#include "engine/kernel.hpp"
#include "engine/matrix_product.hpp"
#include "engine/memory.hpp"

namespace gpt {

/// A contiguous matrix that owns its memory; move-only. Elements are of the device's type; they
/// start uninitialised, and are the device's: the host reaches them by `device().read`.
///
/// What must not be rounded lies in a tensor of floats, each in the place of as many elements. Such
/// a tensor is no gradient that is added to another: Reprise adds elements.
template <class Device = Cpu>
class Tensor {
 public:
  using device_type = Device;
  using Element = typename Device::Element;

  Tensor() = default;
  /// @throws std::bad_alloc, or what the device throws for it
  Tensor(Memory<Device>& memory, std::size_t rows, std::size_t columns)
      : memory_(&memory), rows_(rows), columns_(columns), data_(memory.allocate(rows * columns)) {}
  /// A tensor of floats, whatever the device's elements are. @throws as the constructor
  [[nodiscard]] static Tensor of_floats(Memory<Device>& memory, std::size_t rows,
                                        std::size_t columns) {
    return {memory, rows, columns * (sizeof(float) / sizeof(Element))};
  }
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

  [[nodiscard]] Element* data() noexcept { return data_; }
  [[nodiscard]] const Element* data() const noexcept { return data_; }
  /// Of a tensor of floats: what it is made of.
  [[nodiscard]] float* floats() noexcept { return static_cast<float*>(static_cast<void*>(data_)); }
  [[nodiscard]] const float* floats() const noexcept {
    return static_cast<const float*>(static_cast<const void*>(data_));
  }
  /// As a factor or a result of products.
  [[nodiscard]] MatrixView<Element> matrix() noexcept { return {data_, columns_}; }
  [[nodiscard]] MatrixView<const Element> matrix() const noexcept { return {data_, columns_}; }
  [[nodiscard]] std::size_t rows() const noexcept { return rows_; }
  [[nodiscard]] std::size_t columns() const noexcept { return columns_; }
  [[nodiscard]] std::size_t size() const noexcept { return rows_ * columns_; }
  [[nodiscard]] std::size_t bytes() const noexcept { return size() * sizeof(Element); }
  [[nodiscard]] bool empty() const noexcept { return data_ == nullptr; }
  [[nodiscard]] std::span<Element> elements() noexcept { return {data_, size()}; }
  [[nodiscard]] std::span<const Element> elements() const noexcept { return {data_, size()}; }
  /// The allocator of this tensor, for tensors made from it.
  [[nodiscard]] Memory<Device>& memory() const noexcept {
    assert(memory_ != nullptr);
    return *memory_;
  }
  /// What computes with it.
  [[nodiscard]] Device& device() const noexcept { return memory().device(); }

 private:
  Memory<Device>* memory_ = nullptr;
  std::size_t rows_ = 0;
  std::size_t columns_ = 0;
  Element* data_ = nullptr;
};

/// An uninitialised tensor of the shape and the allocator of another.
template <class Device>
[[nodiscard]] Tensor<Device> make_like(const Tensor<Device>& other) {
  return {other.memory(), other.rows(), other.columns()};
}

/// `into[i] += part[i]`.
template <class Element>
struct AddTo {
  Element* into;
  const Element* part;

  GPT_KERNEL void operator()(std::size_t i) const { into[i] += part[i]; }
};

/// `to[i] = from[i]`, rounded where `To` is narrower.
template <class From, class To = From>
struct Copy {
  const From* from;
  To* to;

  GPT_KERNEL void operator()(std::size_t i) const { to[i] = from[i]; }
};

/// `to[i] = value`.
template <class T>
struct Fill {
  T value;
  T* to;

  GPT_KERNEL void operator()(std::size_t i) const { to[i] = value; }
};

}  // namespace gpt

template <class Device>
struct reprise::tensor_traits<gpt::Tensor<Device>> {
  using tensor = gpt::Tensor<Device>;
  using element = typename tensor::Element;

  [[nodiscard]] static byte_count bytes(const tensor& t) noexcept { return t.bytes(); }
  [[nodiscard]] static const void* storage(const tensor& t) noexcept { return t.data(); }
  static void accumulate(tensor& into, const tensor& part) {
    assert(into.size() == part.size());
    into.device().for_each_index(into.size(), gpt::AddTo<element>{into.data(), part.data()});
  }
  [[nodiscard]] static std::uint64_t signature(const tensor& t) noexcept {
    return hash_combine(t.rows(), t.columns());
  }
  [[nodiscard]] static std::uint64_t checksum(const tensor& t) {
    return t.device().read(t.elements(), [&t](std::span<const element> elements) {
      return hash_bytes(std::as_bytes(elements), signature(t));
    });
  }
};

static_assert(reprise::ChecksummableTensor<gpt::Tensor<>>);
