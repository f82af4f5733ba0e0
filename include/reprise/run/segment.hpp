// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Regions of an imperative engine's tape that keep nothing and run again in backward.

#include <concepts>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <reprise/core/error.hpp>
#include <reprise/core/pass_context.hpp>
#include <reprise/run/saved_value.hpp>
#include <reprise/run/saver.hpp>
#include <reprise/run/tape_traits.hpp>
#include <string>
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

/// An input that a rerun will be called with: a copy of whatever is no variable.
template <class V, class Input>
class StoredInput {
 public:
  explicit StoredInput(const Input& input) : input_(input) {}
  [[nodiscard]] const Input& load(std::size_t) const { return input_; }

 private:
  Input input_;
};

/// A variable's tensor is saved as operations save theirs: an enclosing segment remakes it.
template <TapeVariable V>
class StoredInput<V, V> {
 public:
  using traits = tape_traits<V>;

  explicit StoredInput(const V& variable)
      : variable_(traits::rebind(variable, typename traits::tensor_type{})),
        tensor_(traits::saver(traits::tape(variable)).save(traits::tensor(variable))) {}

  [[nodiscard]] V load(std::size_t index) const {
    V variable =
        traits::rebind(variable_, tensor_.get("input " + std::to_string(index) + " of a segment"));
    tensor_.unload();
    return variable;
  }

 private:
  V variable_;
  SavedValue<typename traits::tensor_type> tensor_;
};

/// A region that is remade by calling the segment's function again.
template <TapeVariable V, class F, class... Inputs>
class SegmentRegion final : public Region<typename tape_traits<V>::tensor_type> {
 public:
  SegmentRegion(tape_type<V>& tape, F f, const Inputs&... inputs)
      : Region<typename tape_traits<V>::tensor_type>(
            !std::is_nothrow_invocable_v<const F&, const Inputs&...>),
        tape_(tape),
        f_(std::move(f)),
        inputs_{StoredInput<V, Inputs>(inputs)...},  // braces: in order
        original_(tape) {}

  [[nodiscard]] const F& function() const noexcept { return f_; }

  void refuse_higher_order() const override {
    if constexpr (requires(const tape_type<V>& tape) { tape_traits<V>::records_backward(tape); }) {
      if (!tape_traits<V>::records_backward(std::as_const(tape_))) return;
      throw InvalidState(
          "gradients of gradients through a segment: what it saved is remade without a tape of its "
          "own; call the function plainly");
    }
  }

 private:
  void run_again() override { run_again(std::index_sequence_for<Inputs...>{}); }

  template <std::size_t... index>
  void run_again(std::index_sequence<index...>) {
    // Before the tape changes: the inputs may ask an enclosing segment to run again.
    const std::tuple<decltype(std::get<index>(inputs_).load(index))...> inputs{
        std::get<index>(inputs_).load(index)...};
    const AsItWas<V> as_it_was(tape_, original_);
    const SavingInto<V> saving(tape_, this->shared_from_this());
    try {
      std::apply(f_, inputs);
    } catch (const RegionComplete&) {
      // All that is wanted is there.
    }
  }

  tape_type<V>& tape_;
  const F f_;
  std::tuple<StoredInput<V, Inputs>...> inputs_;
  TapeState<V> original_;
};

}  // namespace running

/// The variable type among a segment's inputs.
template <class... Inputs>
using segment_variable = typename running::FirstVariable<Inputs...>::type;

/// At least one input is a `TapeVariable`, and all that are variables are of that type.
template <class... Inputs>
concept SegmentInputs = requires {
  typename segment_variable<Inputs...>;
}
&&TapeVariable<segment_variable<Inputs...>> &&
    ((!HasTapeTraits<Inputs> || std::same_as<Inputs, segment_variable<Inputs...>>)&&...);

/// What `segment` can run twice: callable as `const`, since a function that changes its captures
/// would not do the same again.
template <class F, class... Inputs>
concept SegmentFunction = SegmentInputs<Inputs...> && std::move_constructible<F> &&
                          (std::copy_constructible<Inputs>&&...) &&
                          std::invocable<const F&, const Inputs&...>;

/// Calls `f(inputs…)` without keeping what the operations inside save for backward; when backward
/// first asks for some of it, `f` runs again and remakes what is still wanted.
///
/// `auto y = reprise::segment([&](const Variable& x) { return block(x); }, x);`
///
/// The rerun finds the tape's `PassContext` (random streams, `is_recompute()`) and its captured
/// state as the original did, and ends as soon as the last wanted value is saved: what comes after
/// is not computed. So all gradients have the bits of a plain call. An `f` that is declared
/// noexcept runs to its end, since an exception ends the others.
///
/// Segments nest: the inputs of one inside another are saved in the outer one, so that backward
/// runs the outer one again when it comes to the inner one. What `f` captures stays as long as
/// backward may need it; gradients reach captured variables as they do in a plain call. An `f` must
/// do the same again: it is refused when it saves other shapes or another number of values. A
/// number of segments nested purely costs one recomputation of each within its enclosing ones:
/// quadratic in depth where work follows the inner call.
///
/// Costs one allocation a saved value, a copy of `f` and of inputs that are no variables; inputs
/// that are variables are kept, tensors shared.
/// @param f      called as const, with the inputs as const references
/// @param inputs variables of one tape, and whatever else `f` takes
/// @returns what f returns
/// @throws InvalidArgument if the variables are of several tapes; what f throws, and then the tape
/// (what it recorded, its pass context) is as it was. In backward, from `SavedValue::get`:
/// ReplayMismatch for an input that was changed in place where `tensor_traits` has `version`, or an
/// `f` that does not repeat; InvalidState for gradients of gradients where `tape_traits` has
/// `records_backward`.
/// Source: Chen, Xu, Zhang, Guestrin, "Training deep nets with sublinear memory cost", 2016.
template <class... Inputs, SegmentFunction<Inputs...> F>
decltype(auto) segment(F f, const Inputs&... inputs) {
  using V = segment_variable<Inputs...>;
  tape_type<V>* tape = nullptr;
  const auto agree = [&]<class Input>(const Input& input) {
    if constexpr (std::same_as<Input, V>) {
      if (tape != nullptr && tape != &tape_traits<V>::tape(input)) {
        throw InvalidArgument("the inputs of a segment are variables of different tapes");
      }
      tape = &tape_traits<V>::tape(input);
    }
  };
  (agree(inputs), ...);
  const auto region =
      std::make_shared<running::SegmentRegion<V, F, Inputs...>>(*tape, std::move(f), inputs...);
  const running::RewindOnThrow<V> rewind(*tape);
  const running::SavingInto<V> saving(*tape, region);
  return std::invoke(region->function(), inputs...);
}

}  // namespace reprise::inline v0
