// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The concept of a codec: how a tensor is kept in fewer bytes.

#include <concepts>
#include <cstddef>
#include <reprise/backend/element_type.hpp>
#include <reprise/codec/codec_error.hpp>
#include <reprise/codec/exactness.hpp>
#include <reprise/core/philox.hpp>
#include <span>
#include <string>

namespace reprise::inline v0 {

/// What the library's codecs take: `float`, `float16` or `bfloat16`.
///
/// Not `double`: who calculates in double precision does it for digits that no code of these keeps.
template <class T>
concept CodedElement = Element<T> && !std::same_as<T, double> && !std::is_const_v<T>;

/// A codec that takes elements of type T.
///
/// - `codec.encode(in, code, stream)` writes a code of `in` to all of `code`;
/// - `codec.decode(code, out)` writes to all of `out` what the code stands for;
/// - `codec.encoded_bytes(n)`: bytes of the code of n elements, whatever their values, types and
///   addresses; zero for none, and not less for more;
/// - `C::exactness`: what decoding promises, at compile time; see `Exactness`;
/// - `C::bits`: what `8 * encoded_bytes(n) / n` comes to for large n, as a `double`;
/// - `codec.name()`: what people call it, parameters included.
///
/// What no compiler checks:
///
/// - The code is a function of the elements, the stream and their order: the same bits by each
///   call, thread, set of instructions and machine. Element i draws what the stream has at places
///   that depend on i alone, so that nothing has to be drawn in order.
/// - Nothing is remembered: a codec is a value, and one object serves any number of threads at a
///   time.
/// - Finite elements become finite elements, of any size and offset, and none beyond the largest
///   error that the codec states. Those that are not finite come back as they were or are refused
///   by NotFinite, which names the first.
/// - Elements lie where their type may, codes at any address; they do not overlap.
/// - Sizes that do not fit are refused by WrongCodeSize before anything is written. Decoding
///   reads the code and nothing else, whatever is in it: from corrupt bytes come wrong numbers.
/// - Where it is exact, the bits are; where it is unbiased, the mean of what decoding gives over
///   many streams is the element, each element drawn for itself.
///
/// `tests/support/codec_conformance.hpp` holds a codec to all of that.
template <class C, class T>
concept CodecOf = std::copyable<C> && Element<T> &&
    requires(const C& codec, std::size_t elements, std::span<const T> in, std::span<std::byte> code,
             std::span<const std::byte> encoded, std::span<T> out, const Philox& stream) {
  codec.encode(in, code, stream);
  codec.decode(encoded, out);
  { codec.encoded_bytes(elements) } -> std::same_as<std::size_t>;
  { codec.name() } -> std::convertible_to<std::string>;
  requires std::same_as<const Exactness&, decltype((C::exactness))>;
  requires std::convertible_to<decltype(C::bits), double>;
};

/// A codec that takes elements of one type at least.
template <class C>
concept Codec =
    CodecOf<C, float> || CodecOf<C, float16> || CodecOf<C, bfloat16> || CodecOf<C, double>;

/// What decoding promises of elements of type T: where a codec has a template
/// `C::exactness_of<T>`, what that says, or else `C::exactness`.
template <class C, class T>
requires CodecOf<C, T>
inline constexpr Exactness exactness_of = [] {
  if constexpr (requires { C::template exactness_of<T>; }) {
    return C::template exactness_of<T>;
  } else {
    return C::exactness;
  }
}();

/// Refuses a code of a size that does not fit. @throws WrongCodeSize
template <class C>
void check_code_size(const C& codec, std::size_t elements, std::size_t code_bytes) {
  const std::size_t needed = codec.encoded_bytes(elements);
  if (code_bytes != needed) throw WrongCodeSize(codec.name(), elements, needed, code_bytes);
}

}  // namespace reprise::inline v0
