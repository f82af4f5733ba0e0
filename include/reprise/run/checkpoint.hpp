// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Regions of an imperative engine's tape that keep nothing and run again in backward.

#include <array>
#include <concepts>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <reprise/core/error.hpp>
#include <reprise/core/pass_context.hpp>
#include <reprise/core/tensor.hpp>
#include <reprise/run/checkpoint_options.hpp>
#include <reprise/run/region.hpp>
#include <reprise/run/saver.hpp>
#include <reprise/run/stored_input.hpp>
#include <reprise/run/tape_traits.hpp>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>

namespace reprise::inline v0 {

namespace running {

template <class... Inputs>
struct FirstVariable {};
template <class First, class... Rest>
struct FirstVariable<First, Rest...>
    : std::conditional_t<HasTapeTraits<First>, std::type_identity<First>, FirstVariable<Rest...>> {
};

/// All that a rerun must find on the tape as the original did.
template <TapeVariable V>
class TapeState {
 public:
  explicit TapeState(tape_type<V>& tape)
      : pass_(tape_traits<V>::pass(tape)), state_(capture(tape)) {}

  void restore(tape_type<V>& tape) const {
    tape_traits<V>::pass(tape) = pass_;
    if constexpr (HasTapeState<V>) tape_traits<V>::restore_state(tape, state_);
  }

 private:
  struct Nothing {};

  [[nodiscard]] static auto capture(const tape_type<V>& tape) {
    if constexpr (HasTapeState<V>) {
      return tape_traits<V>::capture_state(tape);
    } else {
      return Nothing{};
    }
  }

  PassContext pass_;
  decltype(capture(std::declval<const tape_type<V>&>())) state_;
};

/// Lets a region take what is saved, as long as this lives.
template <TapeVariable V>
class SavingInto {
 public:
  using region_pointer = std::shared_ptr<Region<typename tape_traits<V>::tensor_type>>;

  SavingInto(tape_type<V>& tape, region_pointer region)
      : saver_(tape_traits<V>::saver(tape)), enclosing_(saver_.exchange(std::move(region))) {}
  SavingInto(const SavingInto&) = delete;
  SavingInto& operator=(const SavingInto&) = delete;
  ~SavingInto() { static_cast<void>(saver_.exchange(std::move(enclosing_))); }

 private:
  Saver<typename tape_traits<V>::tensor_type>& saver_;
  region_pointer enclosing_;
};

/// Leaves the tape as it was if an exception ends the scope.
template <TapeVariable V>
class RewindOnThrow {
 public:
  explicit RewindOnThrow(tape_type<V>& tape)
      : tape_(tape),
        mark_(tape_traits<V>::mark(std::as_const(tape))),
        pass_(tape_traits<V>::pass(tape)) {}
  RewindOnThrow(const RewindOnThrow&) = delete;
  RewindOnThrow& operator=(const RewindOnThrow&) = delete;
  ~RewindOnThrow() {
    if (std::uncaught_exceptions() == exceptions_) return;
    tape_traits<V>::rewind(tape_, mark_);
    tape_traits<V>::pass(tape_) = pass_;
  }

 private:
  tape_type<V>& tape_;
  decltype(tape_traits<V>::mark(std::declval<const tape_type<V>&>())) mark_;
  PassContext pass_;
  int exceptions_ = std::uncaught_exceptions();
};

/// The tape as the original run found it, except that it is a recompute; it goes back to what it
/// has become since, and what was recorded goes.
template <TapeVariable V>
class AsItWas {
 public:
  AsItWas(tape_type<V>& tape, const TapeState<V>& original)
      : tape_(tape), current_(tape), mark_(tape_traits<V>::mark(std::as_const(tape))) {
    original.restore(tape);
    PassContext& pass = tape_traits<V>::pass(tape);
    PassContext::NodeFacts facts = pass.facts();
    facts.is_recompute = true;
    pass.enter(facts);
  }
  AsItWas(const AsItWas&) = delete;
  AsItWas& operator=(const AsItWas&) = delete;
  ~AsItWas() {
    tape_traits<V>::rewind(tape_, mark_);
    current_.restore(tape_);
  }

 private:
  tape_type<V>& tape_;
  TapeState<V> current_;
  decltype(tape_traits<V>::mark(std::declval<const tape_type<V>&>())) mark_;
};

/// The memory of a checkpoint's input that is a variable or a tensor of its kind; null for others.
template <TapeVariable V, class Input>
[[nodiscard]] const void* storage_of([[maybe_unused]] const Input& input) {
  using T = typename tape_traits<V>::tensor_type;
  if constexpr (std::same_as<Input, V>)
    return tensor_traits<T>::storage(tape_traits<V>::tensor(input));
  if constexpr (std::same_as<Input, T>) return tensor_traits<T>::storage(input);
  return nullptr;
}

/// Tells the enclosing region what this one saved, once its function has run.
template <SharedTensor T>
class TellsEnclosing {
 public:
  TellsEnclosing(const Region<T>& region, std::shared_ptr<Region<T>> enclosing)
      : region_(region), enclosing_(std::move(enclosing)) {}
  TellsEnclosing(const TellsEnclosing&) = delete;
  TellsEnclosing& operator=(const TellsEnclosing&) = delete;
  ~TellsEnclosing() {
    if (!enclosing_ || std::uncaught_exceptions() != exceptions_) return;
    enclosing_->note_nested(region_.trace());
  }

 private:
  const Region<T>& region_;
  std::shared_ptr<Region<T>> enclosing_;
  int exceptions_ = std::uncaught_exceptions();
};

/// A region that is recomputed by calling the checkpoint's function again.
template <TapeVariable V, class F, class... Inputs>
class CheckpointRegion final : public Region<typename tape_traits<V>::tensor_type> {
 public:
  CheckpointRegion(tape_type<V>& tape, RegionManner manner, F f, const Inputs&... inputs)
      : Region<typename tape_traits<V>::tensor_type>(manner),
        tape_(tape),
        f_(std::move(f)),
        inputs_{StoredInput<V, Inputs>(inputs, manner.verifies)...},  // braces: in order
        storages_{storage_of<V>(inputs)...},
        original_(tape) {}

  [[nodiscard]] const F& function() const noexcept { return f_; }

  void refuse_higher_order() const override {
    if constexpr (requires(const tape_type<V>& tape) { tape_traits<V>::records_backward(tape); }) {
      if (!tape_traits<V>::records_backward(std::as_const(tape_))) return;
      throw InvalidState(
          "gradients of gradients through a checkpoint: what it saved is recomputed without a tape "
          "of "
          "its own; call the function plainly");
    }
  }

 private:
  void run_again() override { run_again(std::index_sequence_for<Inputs...>{}); }

  template <std::size_t... index>
  void run_again(std::index_sequence<index...>) {
    // Before the tape changes: the inputs may ask an enclosing checkpoint to run again.
    const std::tuple<decltype(std::get<index>(inputs_).load(index))...> inputs{
        std::get<index>(inputs_).load(index)...};
    const std::array<const void*, sizeof...(Inputs)> storages{
        storage_of<V>(std::get<index>(inputs))...};
    this->run_with(storages);
    const AsItWas<V> as_it_was(tape_, original_);
    const SavingInto<V> saving(tape_, this->shared_from_this());
    try {
      std::apply(f_, inputs);
    } catch (const RegionComplete& complete) {
      if (!this->is_it(complete)) throw;
    }
  }

  [[nodiscard]] std::span<const void* const> inputs() const noexcept override { return storages_; }

  tape_type<V>& tape_;
  const F f_;
  std::tuple<StoredInput<V, Inputs>...> inputs_;
  std::array<const void*, sizeof...(Inputs)> storages_;
  TapeState<V> original_;
};

}  // namespace running

/// The variable type among a checkpoint's inputs.
template <class... Inputs>
using checkpoint_variable = typename running::FirstVariable<Inputs...>::type;

/// At least one input is a `TapeVariable`, and all that are variables are of that type.
template <class... Inputs>
concept CheckpointInputs = requires {
  typename checkpoint_variable<Inputs...>;
}
&&TapeVariable<checkpoint_variable<Inputs...>> &&
    ((!HasTapeTraits<Inputs> || std::same_as<Inputs, checkpoint_variable<Inputs...>>)&&...);

/// What `checkpoint` can run twice: callable as `const`, since a function that changes its captures
/// would not do the same again.
template <class F, class... Inputs>
concept CheckpointFunction = CheckpointInputs<Inputs...> && std::move_constructible<F> &&
                             (std::copy_constructible<Inputs>&&...) &&
                             std::invocable<const F&, const Inputs&...>;

/// Calls `f(inputs…)` without keeping what the operations inside save for backward; when backward
/// first asks for some of it, `f` runs again and recomputes what is still wanted.
///
/// `auto y = reprise::checkpoint([&](const Variable& x) { return block(x); }, x);`
///
/// The rerun finds the tape's `PassContext` (random streams, `is_recompute()`) and its captured
/// state as the original did, and runs to its end; `CheckpointOptions::ends_early` ends it with the
/// last wanted value. So all gradients have the bits of a plain call.
///
/// An `f` must do the same again. What it saves is matched with what it saved first: how many
/// values, each one's shape and bytes, which of them lie in the memory of an input, which are
/// parameters, versions, and what nested checkpoints saved. Two values of one shape that are no
/// inputs are told apart by their contents alone: `CheckpointOptions::verify_replay` compares them,
/// for engines whose tensors have a checksum, and with them what versions cannot show: a captured
/// variable that was changed in place and is not itself saved, a generator that the tape's state
/// does not hold, a loop counter captured by reference.
///
/// Checkpoints nest: the inputs of one inside another are saved in the outer one, so that backward
/// runs the outer one again when it comes to the inner one. What `f` captures stays as long as
/// backward may need it; gradients reach captured variables as they do in a plain call. A number of
/// checkpoints nested purely costs one recomputation of each within its enclosing ones: quadratic
/// in depth.
///
/// Costs one allocation a saved value, a copy of `f` and of inputs that are no variables; inputs
/// that are variables are kept, tensors shared.
/// @param options how it runs again
/// @param f      called as const, with the inputs as const references
/// @param inputs variables of one tape, and whatever else `f` takes
/// @returns what f returns
/// @throws InvalidArgument if the variables are of several tapes, or replay is to be verified of
/// tensors without a checksum; what f throws, and then the tape (what it recorded, its pass
/// context) is as it was. In backward, from `SavedValue::get`: ReplayMismatch for an input that was
/// changed in place where `tensor_traits` has `version`, or an `f` that does not repeat, whatever
/// handlers it has; InvalidState for gradients of gradients where `tape_traits` has
/// `records_backward`. Source: Chen, Xu, Zhang, Guestrin, "Training deep nets with sublinear memory
/// cost", 2016.
template <class... Inputs, CheckpointFunction<Inputs...> F>
decltype(auto) checkpoint(CheckpointOptions options, F f, const Inputs&... inputs) {
  using V = checkpoint_variable<Inputs...>;
  using T = typename tape_traits<V>::tensor_type;
  static_assert(tape_check::check_optional<V>());
  tape_type<V>* tape = nullptr;
  const auto agree = [&]<class Input>(const Input& input) {
    if constexpr (std::same_as<Input, V>) {
      if (tape != nullptr && tape != &tape_traits<V>::tape(input)) {
        throw InvalidArgument("the inputs of a checkpoint are variables of different tapes");
      }
      tape = &tape_traits<V>::tape(input);
    }
  };
  (agree(inputs), ...);
  if (options.verify_replay && !ChecksummableTensor<T>) {
    throw InvalidArgument("verify_replay of a checkpoint whose tensor_traits have no checksum");
  }
  const Saver<T>& saver = tape_traits<V>::saver(*tape);
  const std::shared_ptr<running::Region<T>> enclosing = saver.region();
  constexpr bool lets_through = !std::is_nothrow_invocable_v<const F&, const Inputs&...>;
  const running::RegionManner manner{.ends_early = options.ends_early && lets_through,
                                     .throws_inside = lets_through,
                                     .verifies = options.verify_replay || saver.verifies_replay() ||
                                                 (enclosing && enclosing->verifies())};
  const auto region = std::make_shared<running::CheckpointRegion<V, F, Inputs...>>(
      *tape, manner, std::move(f), inputs...);
  const running::TellsEnclosing<T> tells(*region, enclosing);
  const running::RewindOnThrow<V> rewind(*tape);
  const running::SavingInto<V> saving(*tape, region);
  return std::invoke(region->function(), inputs...);
}

/// `checkpoint` with the default options: a rerun runs to its end, and contents are not compared
/// unless the tape's `Saver` or an enclosing checkpoint verifies replay.
template <class... Inputs, CheckpointFunction<Inputs...> F>
decltype(auto) checkpoint(F f, const Inputs&... inputs) {
  return checkpoint(CheckpointOptions{}, std::move(f), inputs...);
}

}  // namespace reprise::inline v0
