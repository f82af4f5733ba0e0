// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// In which forms a policy keeps what backward reads.

#include <cstddef>
#include <reprise/codec/quantize.hpp>
#include <reprise/codec/rounding.hpp>
#include <reprise/core/error.hpp>
#include <reprise/core/units.hpp>
#include <reprise/planner/fewest_forms.hpp>
#include <reprise/planner/uniform_forms.hpp>
#include <reprise/store/coded_form.hpp>
#include <reprise/store/coding_speed.hpp>
#include <reprise/store/forms.hpp>
#include <string>
#include <string_view>

#include "engine/codable.hpp"
#include "options.hpp"
#include "policy.hpp"

namespace gpt {

namespace kept_forms {

template <HostDevice Device, class C>
void keep_in(const Options& options, const CodePolicy& policy, reprise::byte_count budget,
             reprise::Forms<Tensor<Device>>& forms) {
  using element = typename reprise::codable_traits<Tensor<Device>>::element_type;
  const reprise::CodingSpeed speed =
      options.counts_flops ? reprise::CodingSpeed{} : reprise::measured_coding_speed<element, C>();
  const std::size_t maker = forms.add(reprise::CodedForm<Tensor<Device>, C>(C{}, speed));
  const reprise::Bias bias = options.allow_bias ? reprise::Bias::allowed : reprise::Bias::refused;
  if (policy.is_uniform) {
    forms.choose_by(reprise::UniformForms{.maker = maker, .bias = bias});
  } else {
    forms.choose_by(reprise::FewestForms{.maker = maker, .bias = bias, .budget = budget});
  }
}

}  // namespace kept_forms

/// The forms of a policy within a budget: of most of them none. Rounding is to the nearest where
/// bias is allowed and 4 bits or more are kept, stochastic otherwise.
/// @throws reprise::InvalidArgument for a policy with codes on a device without
template <class Device>
[[nodiscard]] reprise::Forms<Tensor<Device>> forms_of(const Options& options,
                                                      std::string_view policy,
                                                      reprise::byte_count budget) {
  using reprise::Quantize;
  using reprise::Rounding;
  reprise::Forms<Tensor<Device>> forms;
  const CodePolicy* const codes = code_policy(policy);
  if (codes == nullptr) return forms;
  const std::size_t bits = codes->bits;
  if constexpr (HostDevice<Device>) {
    const auto keep = [&]<class C>(C) {
      kept_forms::keep_in<Device, C>(options, *codes, budget, forms);
    };
    if (bits == 8)
      options.allow_bias ? keep(Quantize<8, Rounding::nearest>{}) : keep(Quantize<8>{});
    if (bits == 4)
      options.allow_bias ? keep(Quantize<4, Rounding::nearest>{}) : keep(Quantize<4>{});
    if (bits == 3) keep(Quantize<3>{});
    if (bits == 2) keep(Quantize<2>{});
    return forms;
  } else {
    throw reprise::InvalidArgument("--policy " + std::string(policy) + ": codes of " +
                                   std::to_string(bits) + " bits are made on the host only");
  }
}

}  // namespace gpt
