// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What Reprise asks of an engine with a tape, so that a region of it can be taken off and put
/// back.

#include <concepts>
#include <reprise/core/optional_names.hpp>
#include <reprise/core/pass_context.hpp>
#include <reprise/core/tensor.hpp>
#include <reprise/core/tensor_check.hpp>
#include <reprise/run/saver.hpp>
#include <type_traits>
#include <utility>

namespace reprise::inline v0 {

/// The customisation point for engines that record operations as they run; specialise it for what
/// their functions take and return, a *variable*: a tensor and its place in the tape.
///
/// Required members:
/// - `tensor_type`: a `SharedTensor`.
/// - `tensor(const V&)`: the variable's tensor, as `const tensor_type&`.
/// - `rebind(const V&, tensor_type)`: the same variable with this tensor; an empty one is possible.
/// - `tape(const V&)`: the tape, as a reference.
/// - `saver(Tape&)`: its `Saver<tensor_type>`, a member through which its operations save.
/// - `pass(Tape&)`: its `PassContext`, as a reference. The tape calls its
///   `enter_next()` before each operation that draws random numbers.
/// - `mark(const Tape&)`: a position: how much is recorded now.
/// - `rewind(Tape&, position)`: forgets what was recorded since; does not throw. Both do nothing in
///   an engine whose variables own the graph behind them.
///
/// Optional members:
/// - `capture_state(const Tape&)` and `restore_state(Tape&, const State&)`: what else a rerun must
///   find as the original did (a foreign generator, a precision mode, whether operations record).
///   Restoring does not throw.
/// - `records_backward(const Tape&)`: true while backward is itself being recorded.
template <class V>
struct tape_traits;

/// There is a `tape_traits<V>` that names its tensor.
template <class V>
concept HasTapeTraits = requires {
  typename tape_traits<V>::tensor_type;
};

/// `tape_traits<V>::tensor_type` is a `SharedTensor`, which `tensor` and `rebind` take out of a
/// variable and put into one.
template <class V>
concept HasTapeTensor = HasTapeTraits<V> && SharedTensor<typename tape_traits<V>::tensor_type> &&
    requires(const V& variable, typename tape_traits<V>::tensor_type tensor) {
  { tape_traits<V>::tensor(variable) } -> std::same_as<const decltype(tensor)&>;
  { tape_traits<V>::rebind(variable, std::move(tensor)) } -> std::same_as<V>;
};

/// `tape_traits<V>::tape(variable)` is a reference to the tape.
template <class V>
concept HasTape = requires(const V& variable) {
  requires std::is_lvalue_reference_v<decltype(tape_traits<V>::tape(variable))>;
};

/// The tape of a variable.
template <HasTape V>
using tape_type = std::remove_reference_t<decltype(tape_traits<V>::tape(std::declval<const V&>()))>;

/// `tape_traits<V>::saver(tape)` is a reference to the tape's `Saver`.
template <class V>
concept HasSaver = HasTapeTensor<V> && HasTape<V> && requires(tape_type<V>& tape) {
  { tape_traits<V>::saver(tape) } -> std::same_as<Saver<typename tape_traits<V>::tensor_type>&>;
};

/// `tape_traits<V>::pass(tape)` is a reference to the tape's `PassContext`.
template <class V>
concept HasPass = HasTape<V> && requires(tape_type<V>& tape) {
  { tape_traits<V>::pass(tape) } -> std::same_as<PassContext&>;
};

/// `tape_traits<V>::mark(tape)` and `rewind(tape, position)` take off what was recorded between.
template <class V>
concept HasRewind = HasTape<V> && requires(tape_type<V>& tape, const tape_type<V>& unchanged) {
  tape_traits<V>::rewind(tape, tape_traits<V>::mark(unchanged));
};

/// The tape has state of its own that goes through `capture_state` and `restore_state`.
template <class V>
concept HasTapeState = HasTape<V> && requires(tape_type<V>& tape, const tape_type<V>& unchanged) {
  tape_traits<V>::restore_state(tape, tape_traits<V>::capture_state(unchanged));
};

/// State is not captured without being restored.
template <class V>
concept RestoresWhatItCaptures = HasTapeState<V> || !requires(const tape_type<V>& tape) {
  tape_traits<V>::capture_state(tape);
};

/// A variable of an engine with a tape: all that `tape_traits` requires is there.
template <class V>
concept TapeVariable = std::copyable<V> && HasTapeTensor<V> && HasTape<V> && HasSaver<V> &&
    HasPass<V> && HasRewind<V> && RestoresWhatItCaptures<V>;

namespace tape_check {

template <class V>
inline constexpr bool says_whether_it_records = requires(const tape_type<V>& tape) {
  { tape_traits<V>::records_backward(tape) } -> std::convertible_to<bool>;
};

/// Compiles unless the traits name something optional that nothing could call: state that is never
/// captured would give a rerun other numbers.
template <TapeVariable V>
constexpr bool check_optional() {
  using traits = tape_traits<V>;
  using namespace naming;
  static_assert(!(TraitsNameCapture<traits> || TraitsNameRestore<traits>) || HasTapeState<V>,
                "the tape_traits' capture_state and restore_state cannot be called with the "
                "signatures static State capture_state(const Tape&) and static void "
                "restore_state(Tape&, const State&)");
  static_assert(!TraitsNameRecordsBackward<traits> || says_whether_it_records<V>,
                "the tape_traits' records_backward cannot be called with the signature static bool "
                "records_backward(const Tape&)");
  return tensor_check::check_optional<typename traits::tensor_type>();
}

}  // namespace tape_check

}  // namespace reprise::inline v0
