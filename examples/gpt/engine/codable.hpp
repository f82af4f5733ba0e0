// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What Reprise's codecs need to know of the engine's tensors on the host.

#include <concepts>
#include <cstddef>
#include <reprise/backend/bfloat16.hpp>
#include <reprise/store/codable_tensor.hpp>
#include <span>
#include <type_traits>

#include "engine/bfloat16.hpp"
#include "engine/cpu.hpp"
#include "engine/in_bfloat16.hpp"
#include "engine/tensor.hpp"

namespace gpt {

/// A device whose tensors the host reads where they are.
template <class Device>
concept HostDevice = std::same_as<Device, Cpu> || std::same_as<Device, InBfloat16<Cpu>>;

}  // namespace gpt

template <gpt::HostDevice Device>
struct reprise::codable_traits<gpt::Tensor<Device>> {
  using tensor = gpt::Tensor<Device>;
  using element_type = std::conditional_t<std::is_same_v<typename tensor::Element, gpt::Bfloat16>,
                                          reprise::bfloat16, typename tensor::Element>;

  /// Where it comes from and how large it is.
  struct shape_type {
    gpt::Memory<Device>* memory = nullptr;
    std::size_t rows = 0;
    std::size_t columns = 0;
  };

  [[nodiscard]] static std::span<const element_type> elements(const tensor& t) noexcept {
    return {static_cast<const element_type*>(t.data()), t.size()};
  }
  [[nodiscard]] static std::span<element_type> elements(tensor& t) noexcept {
    return {static_cast<element_type*>(t.data()), t.size()};
  }
  [[nodiscard]] static shape_type shape(const tensor& t) noexcept {
    return {t.empty() ? nullptr : &t.memory(), t.rows(), t.columns()};
  }
  [[nodiscard]] static tensor make(const shape_type& shape) {
    return shape.memory == nullptr ? tensor{} : tensor(*shape.memory, shape.rows, shape.columns);
  }
  [[nodiscard]] static tensor make_code(const shape_type& shape, std::size_t elements) {
    return {*shape.memory, 1, elements};
  }
};

static_assert(reprise::CodableTensor<gpt::Tensor<>>);
static_assert(reprise::CodableTensor<gpt::Tensor<gpt::InBfloat16<gpt::Cpu>>>);
