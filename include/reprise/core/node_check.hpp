// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Says at compile time, in words, what a type lacks to be a node.

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <reprise/core/node.hpp>
#include <reprise/core/optional_names.hpp>
#include <reprise/core/units.hpp>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

namespace node {

template <class>
inline constexpr bool never = false;

/// A call that takes these arguments, as compilers show it.
template <class N, class Signature>
inline constexpr bool takes_forward = false;
template <class N, class Result, class... A>
inline constexpr bool takes_forward<N, Result(A...)> = requires(N& n, A&&... a) {
  n.forward(std::forward<A>(a)...);
};
template <class N, class Signature>
inline constexpr bool takes_backward = false;
template <class N, class Result, class... A>
inline constexpr bool takes_backward<N, Result(A...)> = requires(N& n, A&&... a) {
  n.backward(std::forward<A>(a)...);
};

template <class Result, class Tuple>
struct SignatureOf;
template <class Result, class... A>
struct SignatureOf<Result, std::tuple<A...>> {
  using type = Result(A...);
};

template <class N, std::size_t arity>
using forward_signature_t =
    typename SignatureOf<tensor_t<N>, typename ForwardArguments<N, arity>::type>::type;

template <class N, std::size_t arity>
using backward_result_t =
    std::conditional_t<arity == 1, tensor_t<N>,
                       std::conditional_t<arity == any_arity, std::vector<tensor_t<N>>,
                                          std::array<tensor_t<N>, arity == any_arity ? 0 : arity>>>;
template <class N, std::size_t arity>
using backward_signature_t =
    typename SignatureOf<backward_result_t<N, arity>, backward_arguments_t<N, arity>>::type;

/// Whether backward could be called if the node said that it reads that.
template <class N, std::size_t arity, std::uint32_t inputs, bool of_output>
inline constexpr bool would_take =
    has_backward<N, backward_arguments_t<N, arity, ReadsOnly<inputs, of_output>>>;

// The signature is a parameter because compilers show parameters first.
template <class N, class Signature>
constexpr bool check_forward() {
  static_assert(takes_forward<N, Signature>,
                "forward cannot be called with the signature that is named here: each input as "
                "const T& (T&& if it is consumed), saved_type& if the node has one, PassContext&");
  return true;
}
template <class N, class Signature>
constexpr bool check_backward_signature() {
  static_assert(takes_backward<N, Signature>,
                "backward cannot be called with the signature that is named here: what "
                "backward_reads names of inputs and outputs, saved_type& if the node has one, the "
                "gradient of each output, PassContext&");
  return true;
}

template <class N, std::size_t arity>
constexpr bool check_backward() {
  constexpr bool says_nothing = !requires { N::backward_reads; };
  constexpr std::uint32_t every = Reads::input.inputs;
  if constexpr (says_nothing && would_take<N, arity, every, false>) {
    static_assert(never<N>,
                  "backward takes the inputs, and the node does not say that it reads them: add "
                  "static constexpr auto backward_reads = reprise::Reads::input;");
  } else if constexpr (says_nothing && would_take<N, arity, 0, true>) {
    static_assert(never<N>,
                  "backward takes the outputs, and the node does not say that it reads them: add "
                  "static constexpr auto backward_reads = reprise::Reads::output;");
  } else if constexpr (says_nothing && would_take<N, arity, every, true>) {
    static_assert(
        never<N>,
        "backward takes inputs and outputs, and the node does not say that it reads them: "
        "add static constexpr auto backward_reads = reprise::Reads::input | "
        "reprise::Reads::output;");
  } else if constexpr (says_nothing &&
                       (would_take<N, arity, 1, false> || would_take<N, arity, 2, false>)) {
    static_assert(
        never<N>,
        "backward takes one of the inputs, and the node does not say that it reads it: "
        "add static constexpr auto backward_reads = reprise::Reads::input_at(its number);");
  } else if constexpr (would_take<N, arity, 0, false> || would_take<N, arity, every, false> ||
                       would_take<N, arity, 0, true> || would_take<N, arity, every, true>) {
    static_assert(
        never<N>,
        "backward takes other tensors than backward_reads declares: it is called with the "
        "inputs and outputs that backward_reads names, before saved state and gradients");
  } else {
    return check_backward_signature<N, backward_signature_t<N, arity>>();
  }
  return true;
}

template <class N, class Signature>
inline constexpr bool takes_costs = false;
template <class N, class... A>
inline constexpr bool takes_costs<N, NodeCosts(A...)> = requires(N& n, A&&... a) {
  { n.costs(std::forward<A>(a)...) } -> std::convertible_to<NodeCosts>;
};
template <class N, class Signature>
inline constexpr bool takes_recompute = false;
template <class N, class Result, class... A>
inline constexpr bool takes_recompute<N, Result(A...)> = requires(N& n, A&&... a) {
  n.recompute(std::forward<A>(a)...);
};

template <class N>
inline constexpr bool says_frozen = requires(const N& n) {
  { n.is_frozen() } -> std::convertible_to<bool>;
};
template <class N>
inline constexpr bool captures_state = requires(N& n) {
  n.restore_state(n.capture_state());
};
template <class N>
inline constexpr bool releases_resident = requires(N& n) {
  { n.resident_bytes() } -> std::convertible_to<byte_count>;
  n.release_resident();
};

template <class N, class Index>
struct CostsSignature;
template <class N, std::size_t... I>
struct CostsSignature<N, std::index_sequence<I...>> {
  using type = NodeCosts(repeat_t<const tensor_t<N>&, I>...);
};
template <class N, std::size_t arity>
struct CostsSignatureOf : CostsSignature<N, std::make_index_sequence<arity>> {};
template <class N>
struct CostsSignatureOf<N, any_arity> {
  using type = NodeCosts(tensor_list_t<N>);
};

template <class N, class Signature>
constexpr bool check_costs() {
  static_assert(!naming::NamesCosts<N> || takes_costs<N, Signature>,
                "costs cannot be called with the signature that is named here: each input as "
                "const T& (a span of const T* for any number), to reprise::NodeCosts");
  return true;
}
template <class N, class Signature>
constexpr bool check_recompute() {
  static_assert(!naming::NamesRecompute<N> || takes_recompute<N, Signature>,
                "recompute cannot be called with the signature that is named here, which is that "
                "of forward");
  return true;
}

/// What a node names and nothing would call is a mistake, not an option. Of two names that belong
/// together, either is a mistake without the other.
template <class N, std::size_t arity>
constexpr bool check_optional() {
  static_assert(!naming::NamesGradients<N> || shows_gradients<N>,
                "for_each_gradient takes one function f, and calls it with a span of each "
                "parameter gradient");
  static_assert(!naming::NamesFrozen<N> || says_frozen<N>,
                "is_frozen cannot be called with the signature bool is_frozen() const");
  static_assert(!(naming::NamesCapture<N> || naming::NamesRestore<N>) || captures_state<N>,
                "capture_state and restore_state cannot be called with the signatures State "
                "capture_state() const and void restore_state(const State&)");
  static_assert(
      !(naming::NamesResidentBytes<N> || naming::NamesReleaseResident<N>) || releases_resident<N>,
      "resident_bytes and release_resident cannot be called with the signatures "
      "byte_count resident_bytes() const and void release_resident()");
  return check_costs<N, typename CostsSignatureOf<N, arity>::type>() &&
         check_recompute<N, forward_signature_t<N, arity>>();
}

/// Compiles for a node of this arity, and otherwise fails with what is missing.
template <class N, std::size_t arity>
constexpr bool check() {
  if constexpr (Node<N, arity>) {
    return check_optional<N, arity>();
  } else if constexpr (!requires { typename N::tensor_type; }) {
    static_assert(never<N>,
                  "a node names its tensor: add using tensor_type = the engine's tensor;");
  } else if constexpr (!TensorLike<typename N::tensor_type>) {
    static_assert(TensorLike<typename N::tensor_type>,
                  "the node's tensor_type is no TensorLike: specialise reprise::tensor_traits for "
                  "it, with bytes, storage and accumulate");
  } else if constexpr (!SavedState<saved_type_of<N>>) {
    static_assert(
        SavedState<saved_type_of<N>>,
        "the node's saved_type is no SavedState: a tensor, or an aggregate of tensors and "
        "plain values, as far as Reprise can walk it");
  } else if constexpr (!DeclaresReads<N>) {
    static_assert(DeclaresReads<N>,
                  "backward_reads must be static constexpr and of type reprise::Reads");
  } else if constexpr (!HasForward<N, arity>) {
    return check_forward<N, forward_signature_t<N, arity>>();
  } else if constexpr (!GivesOutputs<N, arity>) {
    static_assert(GivesOutputs<N, arity>,
                  "forward returns its output as T, or several as std::tuple or std::array of T");
  } else if constexpr (!HasBackward<N, arity>) {
    return check_backward<N, arity>();
  } else {
    static_assert(GivesGradients<N, arity>,
                  "backward returns one gradient for each input: T for one input, std::array<T, n> "
                  "or a tuple for n, a range of T for any number, or void where no input gets one");
  }
  return true;
}

}  // namespace node

}  // namespace reprise::inline v0
