// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A form that is kept, whoever made it.

#include <memory>
#include <reprise/core/tensor.hpp>
#include <reprise/core/units.hpp>
#include <reprise/store/form_call.hpp>
#include <reprise/store/form_maker.hpp>
#include <utility>

namespace reprise::inline v0 {

/// Owns what a `FormMaker` made of a tensor of type T, or nothing. Keeps the maker alive. What it
/// began is over before it goes.
template <TensorLike T>
class HeldForm {
 public:
  /// Holds nothing.
  HeldForm() noexcept = default;
  HeldForm(const HeldForm&) = delete;
  HeldForm& operator=(const HeldForm&) = delete;
  /// Takes the form over.
  HeldForm(HeldForm&&) noexcept = default;
  /// The same, in place of its own.
  HeldForm& operator=(HeldForm&& other) noexcept {
    finish();
    held_ = std::move(other.held_);
    return *this;
  }
  ~HeldForm() { finish(); }

  /// Makes the form of a tensor; throws what the maker throws.
  template <FormMaker<T> M>
  HeldForm(std::shared_ptr<M> maker, const T& tensor, const FormCall& call)
      : held_(std::make_unique<Model<M>>(std::move(maker), tensor, call)) {}

  /// Whether something is held.
  [[nodiscard]] explicit operator bool() const noexcept { return held_ != nullptr; }
  /// What it takes; 0 of nothing.
  [[nodiscard]] byte_count bytes() const { return held_ ? held_->bytes() : 0; }
  /// What it stands for; an empty tensor of nothing. Throws what the maker throws.
  [[nodiscard]] T restore(const FormCall& call) {
    if (!held_) return T{};
    is_over_ = false;
    return held_->restore(call);
  }
  /// Returns once the copies that were begun have ended; throws what the maker throws.
  void wait() {
    if (held_) held_->wait();
    is_over_ = true;
  }

 private:
  struct Held {
    virtual ~Held() = default;
    [[nodiscard]] virtual byte_count bytes() const = 0;
    [[nodiscard]] virtual T restore(const FormCall& call) = 0;
    virtual void wait() = 0;
  };

  template <class M>
  struct Model final : Held {
    Model(std::shared_ptr<M> m, const T& tensor, const FormCall& call)
        : maker(std::move(m)), encoded(maker->make(tensor, call)) {}

    [[nodiscard]] byte_count bytes() const override { return std::as_const(*maker).bytes(encoded); }
    [[nodiscard]] T restore(const FormCall& call) override { return maker->restore(encoded, call); }
    void wait() override {
      if constexpr (AsynchronousFormMaker<M, T>) maker->wait(encoded);
    }

    std::shared_ptr<M> maker;
    typename M::encoded_type encoded;
  };

  // A copy may be under way to or from memory that goes next.
  void finish() noexcept {
    if (!held_ || is_over_) return;
    try {
      held_->wait();
    } catch (...) {  // whoever would be told is gone
    }
    is_over_ = true;
  }

  std::unique_ptr<Held> held_;
  bool is_over_ = false;  ///< what was begun last
};

}  // namespace reprise::inline v0
