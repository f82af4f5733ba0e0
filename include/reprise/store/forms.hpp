// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The forms in which a store can keep tensors.

#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <reprise/core/error.hpp>
#include <reprise/core/tensor.hpp>
#include <reprise/core/units.hpp>
#include <reprise/program/forms/bias.hpp>
#include <reprise/program/forms/form_option.hpp>
#include <reprise/program/program.hpp>
#include <reprise/store/chosen_form.hpp>
#include <reprise/store/form_call.hpp>
#include <reprise/store/form_maker.hpp>
#include <reprise/store/held_form.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// The codecs and movers of a store, and who chooses which value each of them keeps.
///
/// A handle: copies share what was added. Nothing is kept otherwise until somebody chooses.
template <TensorLike T>
class Forms {
 public:
  using tensor_type = T;  ///< what is kept otherwise
  /// Says for a program which values are kept in which of these forms. Asked once for each program,
  /// and again when its costs are settled, its bytes have grown or a state was loaded; answers the
  /// same for the same program. It is given the forms: one that holds a copy of them keeps itself
  /// alive.
  using chooser_type = std::function<std::vector<ChosenForm>(const Program&, const Forms&)>;

  /// No makers.
  Forms() : shared_(std::make_shared<Shared>()) {}

  /// Adds a codec or a mover.
  /// @returns its number, which `ChosenForm::maker` names it by
  template <FormMaker<T> M>
  std::size_t add(M maker) {
    auto owned = std::make_shared<M>(std::move(maker));
    shared_->makers.push_back(
        {.option = [owned](byte_count bytes) { return std::as_const(*owned).option(bytes); },
         .make = [owned](const T& tensor,
                         const FormCall& call) { return HeldForm<T>(owned, tensor, call); }});
    return shared_->makers.size() - 1;
  }

  /// Replaces who chooses, see `chooser_type`.
  template <std::invocable<const Program&, const Forms&> F>
  void choose_by(F&& chooser) {
    shared_->chooser = chooser_type(std::forward<F>(chooser));
  }

  /// Whether somebody chooses: without, tensors of a saved state are not kept one by one.
  [[nodiscard]] bool chooses() const noexcept { return static_cast<bool>(shared_->chooser); }
  /// Makers that were added.
  [[nodiscard]] std::size_t size() const noexcept { return shared_->makers.size(); }

  /// What a maker offers for a tensor of so many bytes.
  /// @throws InvalidArgument if there is no such maker
  [[nodiscard]] FormOption option(std::size_t maker, byte_count bytes) const {
    return at(maker).option(bytes);
  }

  /// The choice of a maker's form for a value, for all who may read it so, see `FormChoice`.
  /// @throws InvalidArgument if there is no such maker or value
  [[nodiscard]] ChosenForm choice(std::size_t maker, const Program& program, value_id value,
                                  Bias bias = Bias::refused) const {
    if (value >= program.values().size()) {
      throw InvalidArgument("a form of value " + std::to_string(value) + " of a program of " +
                            std::to_string(program.values().size()));
    }
    return {.choice = {.value = value,
                       .option = option(maker, program.values()[value].bytes),
                       .bias = bias},
            .maker = maker};
  }

  /// What is chosen for a program.
  /// @throws InvalidArgument if a choice names no maker, or one whose forms are others: exact or
  ///   not, of another memory, or restored in other ways
  [[nodiscard]] std::vector<ChosenForm> choose(const Program& program) const {
    const chooser_type chooser = shared_->chooser;
    if (!chooser) return {};
    std::vector<ChosenForm> chosen = chooser(program, *this);
    for (const ChosenForm& form : chosen) check(program, form);
    return chosen;
  }

  /// Makes a form; throws what the maker throws.
  [[nodiscard]] HeldForm<T> make(std::size_t maker, const T& tensor, const FormCall& call) const {
    return at(maker).make(tensor, call);
  }

 private:
  struct Maker {
    std::function<FormOption(byte_count)> option;
    std::function<HeldForm<T>(const T&, const FormCall&)> make;
  };
  struct Shared {
    std::vector<Maker> makers{};
    chooser_type chooser{};
  };

  void check(const Program& program, const ChosenForm& chosen) const {
    const value_id value = chosen.choice.value;
    const byte_count bytes =
        value < program.values().size() ? program.values()[value].bytes : byte_count{0};
    const FormOption offered = option(chosen.maker, bytes);
    const FormOption& said = chosen.choice.option;
    if (offered.exactness == said.exactness && offered.memory == said.memory &&
        offered.restorations.size() == said.restorations.size()) {
      return;
    }
    throw InvalidArgument("value " + std::to_string(value) + " is to have a form that is " +
                          described(said) + ", of form maker " + std::to_string(chosen.maker) +
                          ", whose forms are " + described(offered));
  }

  [[nodiscard]] static std::string_view described(Exactness exactness) {
    if (exactness == Exactness::exact) return "exact";
    return exactness == Exactness::unbiased ? "unbiased" : "biased";
  }
  [[nodiscard]] static std::string described(const FormOption& option) {
    return std::string(described(option.exactness)) +
           (option.memory == Memory::host ? ", in the host's memory, with " : ", with ") +
           std::to_string(option.restorations.size()) + " restorations";
  }

  [[nodiscard]] const Maker& at(std::size_t maker) const {
    if (maker >= shared_->makers.size()) {
      throw InvalidArgument("form maker " + std::to_string(maker) + " of " +
                            std::to_string(shared_->makers.size()));
    }
    return shared_->makers[maker];
  }

  std::shared_ptr<Shared> shared_;
};

}  // namespace reprise::inline v0
