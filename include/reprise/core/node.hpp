// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The concept of a node: a step of an engine's graph with a forward and a backward.

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <ranges>
#include <reprise/core/any_gradient.hpp>
#include <reprise/core/arguments.hpp>
#include <reprise/core/error.hpp>
#include <reprise/core/node_traits.hpp>
#include <reprise/core/pass_context.hpp>
#include <reprise/core/saved_state.hpp>
#include <reprise/core/tensor.hpp>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// The arity of a node that takes its inputs as one `std::span<const T* const>`.
inline constexpr std::size_t any_arity = static_cast<std::size_t>(-1);

/// `N::tensor_type` names the engine's tensor.
template <class N>
concept HasTensorType = requires {
  typename N::tensor_type;
}
&&TensorLike<typename N::tensor_type>;

namespace node {

template <class N>
struct Saved {
  using type = NothingSaved;
  static constexpr bool exists = false;
};
template <class N>
requires requires { typename N::saved_type; }
struct Saved<N> {
  using type = typename N::saved_type;
  static constexpr bool exists = true;
};

template <class N>
consteval Reads reads() {
  if constexpr (requires { N::backward_reads; }) return N::backward_reads;
  return Reads::none;
}

template <class N>
consteval Consumes consumes() {
  if constexpr (requires { N::consumes; }) return N::consumes;
  return {};
}

/// What backward reads, as a type.
template <std::uint32_t input_bits, bool output>
struct ReadsOnly {
  static constexpr Reads value{.inputs = input_bits, .of_output = output};
};
template <class N>
using reads_t = ReadsOnly<reads<N>().inputs, reads<N>().of_output>;

template <class N>
using tensor_t = typename N::tensor_type;

/// Input `index` as forward takes it: an rvalue if it is consumed.
template <class N, std::size_t index>
using forward_input_t = std::conditional_t<static_cast<int>(index) == consumes<N>().input_index,
                                           tensor_t<N>&&, const tensor_t<N>&>;

template <class N>
using gradient_t = std::conditional_t<consumes<N>().of_gradient, tensor_t<N>&&, const tensor_t<N>&>;

template <class N>
using saved_tuple_t =
    std::conditional_t<Saved<N>::exists, std::tuple<typename Saved<N>::type&>, std::tuple<>>;

template <class... Tuples>
using tuple_cat_t = decltype(std::tuple_cat(std::declval<Tuples>()...));

template <class N>
using tensor_list_t = std::span<const tensor_t<N>* const>;

template <class N, class Index>
struct ForwardInputs;
template <class N, std::size_t... I>
struct ForwardInputs<N, std::index_sequence<I...>> {
  using type = std::tuple<forward_input_t<N, I>...>;
};

template <class N, std::size_t arity>
struct ForwardArguments {
  using type = tuple_cat_t<typename ForwardInputs<N, std::make_index_sequence<arity>>::type,
                           saved_tuple_t<N>, std::tuple<PassContext&>>;
};
template <class N>
struct ForwardArguments<N, any_arity> {
  using type =
      tuple_cat_t<std::tuple<tensor_list_t<N>>, saved_tuple_t<N>, std::tuple<PassContext&>>;
};

template <class N, class Tuple>
struct ForwardResult;
template <class N, class... A>
struct ForwardResult<N, std::tuple<A...>> {
  using type = void;
  static constexpr bool exists = false;
};
template <class N, class... A>
requires requires(N& n, A&&... a) { n.forward(std::forward<A>(a)...); }
struct ForwardResult<N, std::tuple<A...>> {
  using type = decltype(std::declval<N&>().forward(std::declval<A>()...));
  static constexpr bool exists = true;
};

template <class Result>
struct OutputCount : std::integral_constant<std::size_t, 1> {};
template <class Result>
requires requires { std::tuple_size<Result>::value; }
struct OutputCount<Result> : std::tuple_size<Result> {};

template <class N, std::size_t arity>
using forward_result_t = typename ForwardResult<N, typename ForwardArguments<N, arity>::type>::type;

template <class N, std::size_t arity>
inline constexpr std::size_t output_count = OutputCount<forward_result_t<N, arity>>::value;

template <class N, class R, std::size_t index>
using backward_input_t =
    std::conditional_t<R::value.has_input(index), std::tuple<const tensor_t<N>&>, std::tuple<>>;

template <class T, std::size_t>
using repeat_t = T;

template <class N, std::size_t arity, class R, class Inputs, class Outputs>
struct BackwardArgumentsOf;
template <class N, std::size_t arity, class R, std::size_t... I, std::size_t... O>
struct BackwardArgumentsOf<N, arity, R, std::index_sequence<I...>, std::index_sequence<O...>> {
  using outputs = std::conditional_t<R::value.of_output,
                                     std::tuple<repeat_t<const tensor_t<N>&, O>...>, std::tuple<>>;
  using gradients = std::tuple<repeat_t<gradient_t<N>, O>...>;
  using type = tuple_cat_t<std::tuple<>, backward_input_t<N, R, I>..., outputs, saved_tuple_t<N>,
                           gradients, std::tuple<PassContext&>>;
};
template <class N, class R, std::size_t... I, std::size_t... O>
struct BackwardArgumentsOf<N, any_arity, R, std::index_sequence<I...>, std::index_sequence<O...>> {
  using inputs =
      std::conditional_t<R::value.inputs != 0, std::tuple<tensor_list_t<N>>, std::tuple<>>;
  using outputs = std::conditional_t<R::value.of_output,
                                     std::tuple<repeat_t<const tensor_t<N>&, O>...>, std::tuple<>>;
  using gradients = std::tuple<repeat_t<gradient_t<N>, O>...>;
  using type = tuple_cat_t<inputs, outputs, saved_tuple_t<N>, gradients, std::tuple<PassContext&>>;
};

template <class N, std::size_t arity, class R = reads_t<N>>
using backward_arguments_t =
    typename BackwardArgumentsOf<N, arity, R,
                                 std::make_index_sequence<arity == any_arity ? 0 : arity>,
                                 std::make_index_sequence<output_count<N, arity>>>::type;

template <class N, class Tuple>
inline constexpr bool has_backward = false;
template <class N, class... A>
inline constexpr bool has_backward<N, std::tuple<A...>> = requires(N& n, A&&... a) {
  n.backward(std::forward<A>(a)...);
};

template <class N>
consteval bool find_gradients() {
  if constexpr (requires(N & n) { n.for_each_gradient(AnyGradient{}); }) {
    // Nor may the function that was found be used in a requirement only.
    [[maybe_unused]] constexpr auto use = [](N& n) { n.for_each_gradient(AnyGradient{}); };
    return true;
  }
  return false;
}
template <class N>
inline constexpr bool shows_gradients = find_gradients<N>();

template <class N, class Tuple>
struct BackwardResult;
template <class N, class... A>
struct BackwardResult<N, std::tuple<A...>> {
  using type = decltype(std::declval<N&>().backward(std::declval<A>()...));
};
template <class N, std::size_t arity>
using backward_result_of_t =
    std::remove_cvref_t<typename BackwardResult<N, backward_arguments_t<N, arity>>::type>;

/// A tensor, or a tuple or array of tensors.
template <class Result, class T>
inline constexpr bool holds_tensors = std::same_as<Result, T>;
template <class Result, class T>
requires(!std::same_as<Result, T> &&
         requires {
           std::tuple_size<Result>::value;
         }) inline constexpr bool holds_tensors<Result, T> =
    []<std::size_t... I>(std::index_sequence<I...>) {
  return (std::convertible_to<std::tuple_element_t<I, Result>, T> && ...);
}
(std::make_index_sequence<std::tuple_size<Result>::value>{});

/// Whether the inputs from this one on get no gradient.
template <class N, std::size_t arity>
consteval bool is_last_differentiated(std::size_t given) {
  Reads differentiated = Reads::input;
  if constexpr (requires { N::differentiates; }) differentiated = N::differentiates;
  for (std::size_t i = given; i < arity; ++i) {
    if (differentiated.has_input(i)) return false;
  }
  return given <= arity;
}

template <class N, std::size_t arity>
consteval bool gives_gradients() {
  using Result = backward_result_of_t<N, arity>;
  using T = tensor_t<N>;
  if constexpr (std::is_void_v<Result>) {
    return true;
  } else if constexpr (holds_tensors<Result, T>) {
    if constexpr (arity == any_arity) return true;  // counted when it runs
    return is_last_differentiated<N, arity>(OutputCount<Result>::value);
  } else if constexpr (std::ranges::input_range<Result>) {
    return std::convertible_to<std::ranges::range_value_t<Result>, T>;
  } else {
    return false;
  }
}

}  // namespace node

/// `N::backward_reads`, if there is one, is a static constant of type `Reads`.
template <class N>
concept DeclaresReads = !requires {
  N::backward_reads;
}
|| requires {
  typename std::bool_constant<(N::backward_reads | Reads::none) == N::backward_reads>;
};

/// The saved state of a node: `N::saved_type`, or `NothingSaved`.
template <class N>
using saved_type_of = typename node::Saved<N>::type;

/// `T | tuple forward(const T&... inputs, [saved_type&], PassContext&)`, an input that the node
/// declares to consume as `T&&`; for any arity `forward(std::span<const T* const>, …)`.
template <class N, std::size_t arity>
concept HasForward = HasTensorType<N> &&
    node::ForwardResult<N, typename node::ForwardArguments<N, arity>::type>::exists;

/// `forward` returns T, or a tuple or array of T for several outputs.
template <class N, std::size_t arity>
concept GivesOutputs = HasForward<N, arity> &&
    node::holds_tensors<std::remove_cvref_t<node::forward_result_t<N, arity>>, node::tensor_t<N>>;

/// `T | array<T, arity> | tuple | void backward(const T&... the inputs read, [const T&... outputs],
/// [saved_type&], const T&... gradients of the outputs, PassContext&)`; the gradients as `T&&` if
/// the node declares to consume them. What is read is what `backward_reads` declares (nothing,
/// without it). For any arity the inputs are one `std::span<const T* const>`, the result a range of
/// T.
template <class N, std::size_t arity>
concept HasBackward =
    HasForward<N, arity> && node::has_backward<N, node::backward_arguments_t<N, arity>>;

/// `backward` returns a gradient for each input that gets one: T for one input, a tuple or an
/// array, for any arity a range of T, or nothing at all.
template <class N, std::size_t arity>
concept GivesGradients = HasBackward<N, arity> && node::gives_gradients<N, arity>();

/// A node with `arity` inputs.
///
/// Semantics: `forward` called again with the same inputs and a `PassContext` of the same identity
/// gives the same outputs and the same saved state, bit for bit; `backward` reads nothing but what
/// it is given and the parameters, adds to parameter gradients, and returns one gradient for each
/// input, which owns its storage.
///
/// No gradient: a tensor without memory (a default-constructed one), returned for an input, says
/// that nothing flows back there, which is zero without the arithmetic of zeros; a backward that
/// returns void says it for every input. It is handed on by these rules:
/// - A gradient with several parts is the sum of those that are there, and none without any.
/// - A node none of whose outputs has a gradient is not called: its parameter gradients stay as
///   they are, which statistics take for zero if they were zeroed, and its inputs get none.
/// - A node with several outputs is given an empty tensor for one that has none, as for a port that
///   nothing reads.
/// - A graph input that gets none has an empty gradient, and a caller hands over an empty one for
///   an output of the graph that has none.
/// - An output that is itself empty has an empty gradient, which is no different from others.
/// Everything else is an error: a gradient with memory has the elements of its tensor, where
/// `tensor_traits` count them, and shares memory with nothing; there is one for each input.
///
/// Approximate values: `tolerates` (static constants of type `Reads`) says which of the inputs and
/// outputs that backward reads may be approximate, `linear` in which of them gradients are linear,
/// or a product with others: an unbiased code of such a value leaves them unbiased, of any other
/// one it makes them biased. What is linear is tolerated. `tolerates_saved` and `linear_saved` say
/// it of all tensors of the saved state.
///
/// Optional: `consumes`, `differentiates`, `view_of`, `can_recompute`, `can_skip_output`,
/// `skips_unwanted_gradients` (static constants, see `NodeTraits`). `can_recompute = false` says
/// that a pass runs forward once only: what it makes is kept until its last reader, whatever the
/// planner. The measuring forward, in which `is_profiling()`, and `verify_step` are passes of their
/// own. Further: `is_frozen()`; `costs(const T&... inputs) -> NodeCosts`;
/// `recompute(…)`, called like `forward` where a forward has side effects; `capture_state()` and
/// `restore_state(s)`, around recomputes; `resident_bytes()` and `release_resident()`, for a node
/// that keeps saved state in itself; `for_each_gradient(f)`, which calls f with a span of each
/// parameter gradient.
template <class N, std::size_t arity = 1>
concept Node = HasTensorType<N> && SavedState<saved_type_of<N>> && DeclaresReads<N> &&
    GivesOutputs<N, arity> && GivesGradients<N, arity>;

/// The traits that a node of type N declares, with its layer still 0.
template <class N, std::size_t arity>
requires Node<N, arity>
[[nodiscard]] constexpr NodeTraits node_traits(const N& n) {
  NodeTraits traits;
  traits.output_count = static_cast<std::uint32_t>(node::output_count<N, arity>);
  traits.backward_reads = node::reads<N>();
  traits.consumes = node::consumes<N>();
  if constexpr (requires { N::tolerates; }) traits.tolerates = N::tolerates;
  if constexpr (requires { N::tolerates_saved; }) traits.tolerates_saved = N::tolerates_saved;
  if constexpr (requires { N::linear; }) {
    traits.linear = N::linear;
    traits.tolerates.inputs |= traits.linear.inputs;
    traits.tolerates.of_output = traits.tolerates.of_output || traits.linear.of_output;
  }
  if constexpr (requires { N::linear_saved; }) traits.linear_saved = N::linear_saved;
  if constexpr (requires { N::differentiates; }) traits.differentiates = N::differentiates;
  if constexpr (requires { N::view_of; }) traits.view_of = N::view_of;
  if constexpr (requires { N::can_recompute; }) traits.can_recompute = N::can_recompute;
  if constexpr (requires { N::can_skip_output; }) traits.can_skip_output = N::can_skip_output;
  if constexpr (requires { N::skips_unwanted_gradients; }) {
    traits.skips_unwanted_gradients = N::skips_unwanted_gradients;
  }
  if constexpr (requires { n.is_frozen(); }) traits.is_frozen = n.is_frozen();
  traits.has_resident_state = requires(N & m) {
    m.resident_bytes();
    m.release_resident();
  };
  // An empty class has nowhere to keep a parameter.
  traits.hides_gradients = !std::is_empty_v<N> && !node::shows_gradients<N>;
  return traits;
}

namespace node {

template <class N>
constexpr auto saved_tuple([[maybe_unused]] saved_type_of<N>& saved) {
  if constexpr (Saved<N>::exists) {
    return std::tuple<saved_type_of<N>&>(saved);
  } else {
    return std::tuple<>();
  }
}

template <class N, std::size_t... I>
constexpr auto forward_inputs([[maybe_unused]] Arguments<tensor_t<N>> inputs,
                              std::index_sequence<I...>) {
  return std::tuple<forward_input_t<N, I>...>(
      static_cast<forward_input_t<N, I>>(*inputs.pointers()[I])...);
}

template <class N, std::size_t index>
constexpr auto backward_input([[maybe_unused]] Arguments<tensor_t<N>> inputs) {
  if constexpr (reads<N>().has_input(index)) {
    return std::tuple<const tensor_t<N>&>(inputs[index]);
  } else {
    return std::tuple<>();
  }
}

template <class N, std::size_t... I>
constexpr auto backward_inputs([[maybe_unused]] Arguments<tensor_t<N>> inputs,
                               std::index_sequence<I...>) {
  return std::tuple_cat(std::tuple<>(), backward_input<N, I>(inputs)...);
}

template <class N, std::size_t... O>
constexpr auto backward_outputs([[maybe_unused]] Arguments<tensor_t<N>> outputs,
                                std::index_sequence<O...>) {
  if constexpr (reads<N>().of_output) {
    return std::tuple<repeat_t<const tensor_t<N>&, O>...>(outputs[O]...);
  } else {
    return std::tuple<>();
  }
}

template <class N, std::size_t... O>
constexpr auto backward_gradients(Arguments<tensor_t<N>> gradients,
                                  std::array<tensor_t<N>, sizeof...(O)>& empty,
                                  std::index_sequence<O...>) {
  return std::tuple<repeat_t<gradient_t<N>, O>...>(
      static_cast<gradient_t<N>>(gradients.has(O) ? *gradients.pointers()[O] : empty[O])...);
}

/// Pointers to const of any number of inputs, for nodes of any arity.
template <class T>
std::vector<const T*> const_pointers(Arguments<T> inputs) {
  return {inputs.pointers().begin(), inputs.pointers().end()};
}

/// Moves a T, a tuple, an array or a range of T into places; empty places are not wanted.
template <class T, class Result, class Place>
constexpr void scatter(Result&& result, Place&& place) {
  if constexpr (std::same_as<std::remove_cvref_t<Result>, T>) {
    place(0, std::forward<Result>(result));
  } else if constexpr (requires { std::tuple_size<std::remove_cvref_t<Result>>::value; }) {
    std::size_t index = 0;
    std::apply([&](auto&... part) { (place(index++, std::move(part)), ...); }, result);
  } else {
    std::size_t index = 0;
    for (auto& part : result) place(index++, std::move(part));
  }
}

// A range of gradients shows its length only now.
template <class T>
void check_returned(std::size_t returned, std::span<T* const> places, const PassContext& pass) {
  bool is_short = false;
  for (std::size_t i = returned; i < places.size(); ++i) is_short |= places[i] != nullptr;
  if (!is_short && returned <= places.size()) return;
  throw InvalidGraph("backward of node " + std::to_string(pass.node()) + " returned " +
                     std::to_string(returned) + " gradients for " + std::to_string(places.size()) +
                     " inputs");
}

// Of their own, not in the lambdas that call them: there nvcc looks for members that nodes need not
// have, because it knows N by then.
template <class N, class Keep, class... A>
void forward_or_recompute(N& n, bool is_recompute, Keep keep, A&&... a) {
  if constexpr (requires { n.recompute(std::forward<A>(a)...); }) {
    if (is_recompute) return keep(n.recompute(std::forward<A>(a)...));
  }
  keep(n.forward(std::forward<A>(a)...));
}
template <class N, class... A>
[[nodiscard]] NodeCosts costs_of(N& n, const A&... inputs) {
  if constexpr (requires { n.costs(inputs...); }) {
    return n.costs(inputs...);
  } else {
    return {};
  }
}

}  // namespace node

/// Calls a node's forward, or its `recompute` where it has one and the pass is one.
template <std::size_t arity, class N>
requires Node<N, arity>
void call_forward(N& n, Arguments<node::tensor_t<N>> inputs, std::span<node::tensor_t<N>> outputs,
                  saved_type_of<N>& saved, PassContext& pass) {
  using T = node::tensor_t<N>;
  const auto call = [&](auto&& inputs_tuple) {
    auto arguments = std::tuple_cat(std::forward<decltype(inputs_tuple)>(inputs_tuple),
                                    node::saved_tuple<N>(saved), std::tuple<PassContext&>(pass));
    const auto keep = [&](auto&& result) {
      node::scatter<T>(std::forward<decltype(result)>(result),
                       [&](std::size_t port, T&& tensor) { outputs[port] = std::move(tensor); });
    };
    std::apply(
        [&]<class... A>(A&&... a) {
          node::forward_or_recompute(n, pass.is_recompute(), keep, std::forward<A>(a)...);
        },
        std::move(arguments));
  };
  if constexpr (arity == any_arity) {
    const std::vector<const T*> pointers = node::const_pointers(inputs);
    call(std::tuple<node::tensor_list_t<N>>(pointers));
  } else {
    call(node::forward_inputs<N>(inputs, std::make_index_sequence<arity>{}));
  }
}

/// Calls a node's backward and moves what it returns to the places in `input_gradients` that are
/// not null. A gradient without a place is an empty tensor to the node.
/// @throws InvalidGraph if it returns more gradients than it has inputs, or none for a place.
template <std::size_t arity, class N>
requires Node<N, arity>
void call_backward(N& n, Arguments<node::tensor_t<N>> inputs, Arguments<node::tensor_t<N>> outputs,
                   saved_type_of<N>& saved, Arguments<node::tensor_t<N>> gradients,
                   PassContext& pass, std::span<node::tensor_t<N>* const> input_gradients) {
  using T = node::tensor_t<N>;
  constexpr auto ports = std::make_index_sequence<node::output_count<N, arity>>{};
  std::array<T, node::output_count<N, arity>> empty{};  // for ports without a gradient
  const auto call = [&](auto&& inputs_tuple) {
    auto arguments = std::tuple_cat(
        std::forward<decltype(inputs_tuple)>(inputs_tuple),
        node::backward_outputs<N>(outputs, ports), node::saved_tuple<N>(saved),
        node::backward_gradients<N>(gradients, empty, ports), std::tuple<PassContext&>(pass));
    std::apply(
        [&]<class... A>(A&&... a) {
          if constexpr (std::is_void_v<decltype(n.backward(std::forward<A>(a)...))>) {
            n.backward(std::forward<A>(a)...);
          } else {
            std::size_t returned = 0;
            node::scatter<T>(
                n.backward(std::forward<A>(a)...), [&](std::size_t input, T&& gradient) {
                  ++returned;
                  if (input < input_gradients.size() && input_gradients[input] != nullptr) {
                    *input_gradients[input] = std::move(gradient);
                  }
                });
            node::check_returned(returned, std::span<T* const>(input_gradients), pass);
          }
        },
        std::move(arguments));
  };
  if constexpr (arity != any_arity) {
    call(node::backward_inputs<N>(inputs, std::make_index_sequence<arity>{}));
  } else if constexpr (node::reads<N>().inputs != 0) {
    const std::vector<const T*> pointers = node::const_pointers(inputs);
    call(std::tuple<node::tensor_list_t<N>>(pointers));
  } else {
    call(std::tuple<>());
  }
}

/// The costs that a node declares for the inputs at hand; nothing where it declares none.
template <std::size_t arity, class N>
requires Node<N, arity>
[[nodiscard]] NodeCosts call_costs(N& n, Arguments<node::tensor_t<N>> inputs) {
  using T = node::tensor_t<N>;
  if constexpr (arity == any_arity) {
    if constexpr (requires(node::tensor_list_t<N> list) { n.costs(list); }) {
      const std::vector<const T*> pointers = node::const_pointers(inputs);
      return n.costs(node::tensor_list_t<N>(pointers));
    }
  } else {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return node::costs_of(n, *inputs.pointers()[I]...);
    }
    (std::make_index_sequence<arity>{});
  }
  return {};
}

}  // namespace reprise::inline v0
