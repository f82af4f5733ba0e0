// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What makes forms of an engine's tensors, and restores them.

#include <concepts>
#include <reprise/core/tensor.hpp>
#include <reprise/core/units.hpp>
#include <reprise/program/forms/form_option.hpp>
#include <reprise/store/form_call.hpp>

namespace reprise::inline v0 {

/// A codec, or a mover to the host's memory, for tensors of type T.
///
/// - `encoded_type`: what is kept; destroying it gives its bytes back.
/// - `option(bytes)`: the form of a tensor of so many bytes. It is what plans are made with.
/// - `make(tensor, call)`: the form of a tensor, which may be empty. The same bytes again for the
///   same tensor and an equal call.
/// - `restore(encoded, call)`: a tensor with memory of its own, of the shape of the original; with
///   its bits, if the option says that the form is exact. The form stays, and may be restored
///   again.
/// - `bytes(encoded)`: what it holds, in the memory that the option names; at most
/// `option().bytes`.
///
/// What copies beside computing has `wait(encoded)` as well: `make` and `restore` may return before
/// their copy has ended, and `wait` returns when the last one that they began for this form has.
/// Until then the tensor stays as it is, and nobody reads what is being made. `wait` does not
/// throw for what it finds already over.
template <class M, class T>
concept FormMaker = TensorLike<T> && std::movable<M> &&
    requires(M& maker, const M& constant, const T& tensor, typename M::encoded_type& encoded,
             const typename M::encoded_type& kept, const FormCall& call, byte_count bytes) {
  requires std::movable<typename M::encoded_type>;
  { constant.option(bytes) } -> std::same_as<FormOption>;
  { maker.make(tensor, call) } -> std::same_as<typename M::encoded_type>;
  { maker.restore(encoded, call) } -> std::same_as<T>;
  { constant.bytes(kept) } -> std::convertible_to<byte_count>;
};

/// A form maker whose copies go beside computing.
template <class M, class T>
concept AsynchronousFormMaker = FormMaker<M, T> &&
    requires(M& maker, typename M::encoded_type& encoded) {
  maker.wait(encoded);
};

}  // namespace reprise::inline v0
