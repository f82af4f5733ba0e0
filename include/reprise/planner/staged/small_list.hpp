// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A list that needs no memory of its own while it is short.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

namespace reprise::inline v0::staged {

/// A list that holds a few items in itself and asks for memory only beyond them: a plan has several
/// lists for each value, nearly all of them of one or two items.
template <class T, std::uint32_t few>
class SmallList {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  SmallList() = default;
  SmallList(const SmallList& other) { assign(other); }
  SmallList(SmallList&& other) noexcept
      : heap_(std::move(other.heap_)),
        inside_(other.inside_),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, few)) {}
  SmallList& operator=(const SmallList& other) {
    if (this != &other) assign(other);
    return *this;
  }
  SmallList& operator=(SmallList&& other) noexcept {
    heap_ = std::move(other.heap_);
    inside_ = other.inside_;
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, few);
    return *this;
  }
  ~SmallList() = default;

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] T* begin() noexcept { return heap_ ? heap_.get() : inside_.data(); }
  [[nodiscard]] T* end() noexcept { return begin() + size_; }
  [[nodiscard]] const T* begin() const noexcept { return heap_ ? heap_.get() : inside_.data(); }
  [[nodiscard]] const T* end() const noexcept { return begin() + size_; }
  [[nodiscard]] T& operator[](std::size_t i) noexcept { return begin()[i]; }
  [[nodiscard]] const T& operator[](std::size_t i) const noexcept { return begin()[i]; }
  [[nodiscard]] const T& front() const noexcept { return *begin(); }
  [[nodiscard]] T& back() noexcept { return end()[-1]; }
  [[nodiscard]] const T& back() const noexcept { return end()[-1]; }

  /// Makes it empty; its memory stays.
  void clear() noexcept { size_ = 0; }
  /// Asks for memory at once.
  void reserve(std::size_t items) {
    if (items > capacity_) grow(items);
  }
  void push_back(T item) {
    if (size_ == capacity_) grow(std::size_t{2} * capacity_);
    begin()[size_++] = item;
  }
  /// Takes up other items. Linear in them.
  void assign(std::span<const T> items) {
    size_ = 0;
    reserve(items.size());
    std::ranges::copy(items, begin());
    size_ = static_cast<std::uint32_t>(items.size());
  }
  /// Puts an item before another one. Linear in those after it.
  void insert(const T* place, T item) {
    const std::ptrdiff_t at = place - begin();
    push_back(item);
    std::copy_backward(begin() + at, end() - 1, end());
    begin()[at] = item;
  }
  /// Takes an item out. Linear in those after it.
  void erase(const T* place) {
    T* const hole = begin() + (place - begin());
    std::copy(hole + 1, end(), hole);
    --size_;
  }

  [[nodiscard]] friend bool operator==(const SmallList& a, const SmallList& b) noexcept {
    return std::ranges::equal(a, b);
  }

 private:
  void grow(std::size_t items) {
    // NOLINTNEXTLINE(modernize-avoid-c-arrays): of a size that is known at run time
    std::unique_ptr<T[]> larger(new T[items]);
    std::copy(begin(), end(), larger.get());
    heap_ = std::move(larger);
    capacity_ = static_cast<std::uint32_t>(items);
  }

  // NOLINTNEXTLINE(modernize-avoid-c-arrays): of a size that is known at run time
  std::unique_ptr<T[]> heap_;
  std::array<T, few> inside_{};
  std::uint32_t size_ = 0;
  std::uint32_t capacity_ = few;
};

}  // namespace reprise::inline v0::staged
