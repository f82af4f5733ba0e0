// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A saved state of any type, for graphs whose nodes differ in what they save.

#include <cstdint>
#include <functional>
#include <memory>
#include <reprise/core/saved_state.hpp>
#include <reprise/core/tensor.hpp>
#include <utility>

namespace reprise::inline v0 {

/// Holds one saved state of any type over tensors of type T; empty until the first `as<S>()`.
template <TensorLike T>
class AnySaved {
 public:
  AnySaved() = default;

  /// The state inside, made by default construction if there is none yet.
  template <SavedState S>
  [[nodiscard]] S& as() {
    if (!state_) state_ = std::make_unique<Model<S>>();
    return static_cast<Model<S>&>(*state_).saved;
  }

  /// Calls `f(tensor)` for each tensor inside.
  template <class F>
  void for_each_tensor(F&& f) const {
    if (state_) state_->walk(std::function<void(T&)>(std::ref(f)));
  }

  /// The bytes that the budget counts.
  [[nodiscard]] byte_count counted_bytes() const { return state_ ? state_->bytes() : 0; }
  /// True if a tensor inside lives in `storage`.
  [[nodiscard]] bool holds(const void* storage) const { return state_ && state_->holds(storage); }
  /// A checksum over all tensors and numbers inside.
  [[nodiscard]] std::uint64_t checksum() const { return state_ ? state_->checksum() : 0; }
  /// A hash of the versions of all tensors inside.
  [[nodiscard]] std::uint64_t versions() const { return state_ ? state_->versions() : 0; }

 private:
  struct Concept {
    virtual ~Concept() = default;
    virtual void walk(const std::function<void(T&)>& f) = 0;
    [[nodiscard]] virtual byte_count bytes() const = 0;
    [[nodiscard]] virtual bool holds(const void* storage) const = 0;
    [[nodiscard]] virtual std::uint64_t checksum() const = 0;
    [[nodiscard]] virtual std::uint64_t versions() const = 0;
  };

  template <class S>
  struct Model final : Concept {
    void walk(const std::function<void(T&)>& f) override {
      walk_saved(saved, f, [](auto&) {});
    }
    [[nodiscard]] byte_count bytes() const override { return saved_bytes(saved); }
    [[nodiscard]] bool holds(const void* storage) const override {
      return holds_storage(saved, storage);
    }
    [[nodiscard]] std::uint64_t checksum() const override { return saved_checksum(saved); }
    [[nodiscard]] std::uint64_t versions() const override { return saved_versions(saved); }

    S saved{};
  };

  std::unique_ptr<Concept> state_;
};

}  // namespace reprise::inline v0
