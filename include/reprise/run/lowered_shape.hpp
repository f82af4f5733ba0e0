// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A layer graph's program for one set of input shapes.

#include <cstdint>
#include <reprise/codec/exactness.hpp>
#include <reprise/program/cost/cost_model.hpp>
#include <reprise/program/forms/with_forms.hpp>
#include <reprise/program/lowering.hpp>
#include <reprise/program/profile.hpp>
#include <reprise/program/saved_values.hpp>
#include <reprise/store/chosen_form.hpp>
#include <vector>

namespace reprise::inline v0 {

/// What was learnt about a layer graph for one set of input shapes.
struct LoweredShape {
  std::uint64_t signature = 0;      ///< names the input shapes
  std::uint64_t plan_number = 0;    ///< names them and what the program is: of one plan
  Profile profile;                  ///< bytes and costs for them, given or measured
  LoweredGraph lowered;             ///< the program for them
  bool has_input_gradients = true;  ///< whether the graph inputs' gradients are handed out
  CostModel cost_model{};           ///< what the calls of the program are priced by
  bool is_settled = true;           ///< whether nothing is left to measure of its calls
  SavedValues saved_values = SavedValues::by_node;  ///< of the program
  std::vector<ChosenForm> chosen{};                 ///< what the program keeps in other forms
  std::vector<MadeForm> made{};                     ///< the same in the program, one each
  Exactness exactness = Exactness::exact;           ///< of gradients, with these forms
};

}  // namespace reprise::inline v0
