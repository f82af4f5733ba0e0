// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// One form for all tensors that may have it.

#include <cstddef>
#include <cstdint>
#include <reprise/program/forms/bias.hpp>
#include <reprise/program/forms/form_candidates.hpp>
#include <reprise/program/program.hpp>
#include <reprise/store/chosen_form.hpp>
#include <vector>

namespace reprise::inline v0 {

/// Keeps each tensor in the form of one maker, if every backward that reads the tensor may read it
/// so and the form takes fewer bytes: uniform quantisation, where the maker is a codec. For
/// `Forms::choose_by`. Looks at no budget and at no gradient: the baseline of what does.
struct UniformForms {
  std::size_t maker = 0;      ///< as `Forms::add` counts them
  Bias bias = Bias::refused;  ///< whether gradients may be biased

  /// The choice. Linear in the program.
  /// @throws InvalidArgument if there is no such maker
  template <class F>
  [[nodiscard]] std::vector<ChosenForm> operator()(const Program& program, const F& forms) const {
    const Exactness exactness = forms.option(maker, 0).exactness;
    std::vector<std::uint8_t> is_read_exactly(program.values().size(), 0);
    for (const Operation& op : program.operations()) {
      if (op.kind != OperationKind::backward) continue;
      for (const value_id read : op.reads) {
        if (!may_read_form(op, read, exactness, bias)) is_read_exactly[read] = 1;
      }
    }
    std::vector<ChosenForm> chosen;
    for (const value_id value : form_candidates(program, exactness, bias)) {
      if (is_read_exactly[value] != 0) continue;
      ChosenForm form = forms.choice(maker, program, value, bias);
      if (form.choice.option.bytes < program.values()[value].bytes) chosen.push_back(form);
    }
    return chosen;
  }
};

}  // namespace reprise::inline v0
