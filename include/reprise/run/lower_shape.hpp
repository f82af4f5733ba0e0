// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// From a profile to what is remembered of its input shapes.

#include <cstdint>
#include <functional>
#include <reprise/core/error.hpp>
#include <reprise/core/hash.hpp>
#include <reprise/core/layer_graph.hpp>
#include <reprise/program/cost/cost_model.hpp>
#include <reprise/program/forms/with_forms.hpp>
#include <reprise/program/lowering.hpp>
#include <reprise/program/profile.hpp>
#include <reprise/program/program_structure.hpp>
#include <reprise/program/saved_values.hpp>
#include <reprise/run/lowered_shape.hpp>
#include <reprise/store/chosen_form.hpp>
#include <string>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// Says which values of a program are kept in other forms; empty for none.
using FormChooser = std::function<std::vector<ChosenForm>(const Program&)>;

namespace running {

/// @throws InvalidArgument for what is no tensor
inline void check_is_tensor(const Program& program, value_id value) {
  if (value >= program.values().size()) return;  // with_forms refuses it
  const Value& chosen = program.values()[value];
  if (chosen.kind != ValueKind::saved || chosen.port > 0) return;
  throw InvalidArgument("a form of value " + std::to_string(value) + ", " +
                        program.describe(value) + ", which is kept as it is: no single tensor");
}

/// Puts the chosen forms into the program of a shape.
/// @throws InvalidArgument and InvalidGraph as `with_forms`
inline void substitute(LoweredShape& shape, std::vector<ChosenForm> chosen) {
  if (chosen.empty()) return;
  for (const ChosenForm& form : chosen) {
    check_is_tensor(shape.lowered.program, form.choice.value);
  }
  FormedProgram formed = with_forms(shape.lowered.program, choices_of(chosen));
  for (const Operation& op : formed.program.operations()) {
    if (op.kind == OperationKind::encode || op.kind == OperationKind::decode) {
      shape.lowered.store_all_cost += op.cost;
    }
  }
  shape.lowered.program = std::move(formed.program);
  shape.made = std::move(formed.forms);
  shape.exactness = formed.exactness;
  shape.chosen = std::move(chosen);
}

}  // namespace running

/// The program of a graph that was checked before, for one set of input shapes.
/// @param choose which of its values are kept in other forms
/// @throws InvalidArgument as `check_profile`, `price_nodes` and `with_forms`; InvalidGraph if a
///   form is chosen that goes beside computing and costs are FLOPs
template <LayerGraph G>
[[nodiscard]] LoweredShape lower_shape(const G& graph, std::uint64_t signature, Profile profile,
                                       bool has_input_gradients, const CostModel& costs,
                                       const FormChooser& choose = {}) {
  const SavedValues saved_values = choose ? SavedValues::by_tensor : SavedValues::by_node;
  LoweredGraph lowered =
      lowering::Lowering<G>(graph, profile, has_input_gradients, costs, saved_values).run();
  LoweredShape shape{.signature = signature,
                     .plan_number = 0,
                     .profile = std::move(profile),
                     .lowered = std::move(lowered),
                     .has_input_gradients = has_input_gradients,
                     .cost_model = costs,
                     .saved_values = saved_values};
  if (choose) running::substitute(shape, choose(shape.lowered.program));
  shape.plan_number = hash_combine(signature, program_structure(shape.lowered.program));
  return shape;
}

/// The same shape for another profile, with the forms that were chosen.
/// @throws as `lower_shape`
template <LayerGraph G>
[[nodiscard]] LoweredShape lower_again(const G& graph, const LoweredShape& shape, Profile profile) {
  FormChooser choose;
  if (shape.saved_values == SavedValues::by_tensor) {
    choose = [&](const Program&) { return shape.chosen; };
  }
  return lower_shape(graph, shape.signature, std::move(profile), shape.has_input_gradients,
                     shape.cost_model, choose);
}

}  // namespace reprise::inline v0
