// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Tensors that a codec keeps.

#include <cstddef>
#include <cstdint>
#include <reprise/codec/codec.hpp>
#include <reprise/core/hash.hpp>
#include <reprise/core/philox.hpp>
#include <reprise/core/units.hpp>
#include <reprise/program/forms/form_option.hpp>
#include <reprise/store/codable_tensor.hpp>
#include <reprise/store/coding_speed.hpp>
#include <reprise/store/form_call.hpp>
#include <reprise/store/form_maker.hpp>
#include <span>
#include <utility>

namespace reprise::inline v0 {

/// Keeps tensors as a codec's code, in memory from the tensor's own allocator. Models `FormMaker`.
///
/// The random stream is named by seed, step, micro-batch and value, so that a repeated pass draws
/// the same. What is restored has the mean of a pair's two roundings; its restorations 1 and 2 are
/// the first and the second of them.
/// @tparam C a codec of T's elements
template <CodableTensor T, CodecOf<typename codable_traits<T>::element_type> C>
class CodedForm {
  using Traits = codable_traits<T>;
  using Element = typename Traits::element_type;
  static constexpr bool is_pair =
      requires(std::span<const std::byte> code, std::span<Element> out, const Philox& stream) {
    C::decode_first(code, out, stream);
    C::decode_second(code, out, stream);
  };

 public:
  /// A code, and what is to be made of it.
  struct Encoded {
    T code{};                             ///< elements for so many bytes
    typename Traits::shape_type shape{};  ///< of the original
    std::size_t elements = 0;             ///< of the original
  };
  using encoded_type = Encoded;  ///< what is kept

  /// @param speed what coding takes, in the unit of the program's costs; see
  ///   `measured_coding_speed`
  explicit CodedForm(C codec = {}, CodingSpeed speed = {}) noexcept
      : codec_(std::move(codec)), speed_(speed) {}

  /// Of a tensor of so many bytes.
  [[nodiscard]] FormOption option(byte_count bytes) const {
    const auto plain = static_cast<double>(bytes);
    FormOption option{
        .bytes = code_elements(static_cast<std::size_t>(bytes) / sizeof(Element)) * sizeof(Element),
        .cost = plain * speed_.encode,
        .exactness = exactness_of<C, Element>,
        .restorations = {{.cost = plain * speed_.decode}}};
    if constexpr (is_pair) option.restorations.resize(3, option.restorations.front());
    return option;
  }

  /// @throws NotFinite for elements that the codec has no code for, and what the allocator throws
  [[nodiscard]] encoded_type make(const T& tensor, const FormCall& call) const {
    const std::span<const Element> elements = Traits::elements(tensor);
    encoded_type encoded{.code = {}, .shape = Traits::shape(tensor), .elements = elements.size()};
    if (elements.empty()) return encoded;
    encoded.code = Traits::make_code(encoded.shape, code_elements(elements.size()));
    codec_.encode(elements, bytes_of(encoded), stream_of(call));
    return encoded;
  }

  /// @throws what the allocator throws
  [[nodiscard]] T restore(encoded_type& encoded, const FormCall& call) const {
    T tensor = Traits::make(encoded.shape);
    const std::span<Element> elements = Traits::elements(tensor);
    if (elements.empty()) return tensor;
    const std::span<const std::byte> code = bytes_of(encoded);
    if constexpr (is_pair) {
      if (call.restoration == 1) {
        codec_.decode_first(code, elements, stream_of(call));
        return tensor;
      }
      if (call.restoration == 2) {
        codec_.decode_second(code, elements, stream_of(call));
        return tensor;
      }
    }
    codec_.decode(code, elements);
    return tensor;
  }

  /// Bytes of the code.
  [[nodiscard]] byte_count bytes(const encoded_type& encoded) const {
    return encoded.elements == 0 ? 0 : code_elements(encoded.elements) * sizeof(Element);
  }

 private:
  [[nodiscard]] std::size_t code_elements(std::size_t elements) const {
    return (codec_.encoded_bytes(elements) + sizeof(Element) - 1) / sizeof(Element);
  }

  [[nodiscard]] std::span<std::byte> bytes_of(encoded_type& encoded) const {
    return std::as_writable_bytes(Traits::elements(encoded.code))
        .first(codec_.encoded_bytes(encoded.elements));
  }

  [[nodiscard]] static Philox stream_of(const FormCall& call) noexcept {
    const std::uint64_t pass = hash_combine(hash_combine(call.seed, call.step), call.micro_batch);
    return {pass, call.value};
  }

  C codec_;
  CodingSpeed speed_;
};

}  // namespace reprise::inline v0
