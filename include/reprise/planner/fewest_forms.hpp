// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// As few tensors in another form as a budget asks for.

#include <cstddef>
#include <cstdint>
#include <reprise/core/units.hpp>
#include <reprise/planner/plan.hpp>
#include <reprise/planner/uniform_forms.hpp>
#include <reprise/program/forms/bias.hpp>
#include <reprise/program/forms/with_forms.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/schedule_from_saved.hpp>
#include <reprise/program/simulate.hpp>
#include <reprise/store/chosen_form.hpp>
#include <span>
#include <vector>

namespace reprise::inline v0 {

/// Keeps tensors in the form of one maker until nothing has to be recomputed within the budget: the
/// first ones of those that `UniformForms` would keep so, which are kept longest. Where even all of
/// them are not enough, it keeps all, and the planner recomputes the rest. For
/// `Forms::choose_by`, with the budget of the store.
///
/// One maker's forms cost about the same time a byte, so that fewer of them is less time.
struct FewestForms {
  std::size_t maker = 0;                ///< as `Forms::add` counts them
  Bias bias = Bias::refused;            ///< whether gradients may be biased
  byte_count budget = unlimited_bytes;  ///< of the device, for all passes together
  std::uint32_t passes_in_flight = 1;   ///< that share the budget

  /// The choice. A bisection, each time linear in the program.
  /// @throws InvalidArgument if there is no such maker, or the program has no loss operation
  template <class F>
  [[nodiscard]] std::vector<ChosenForm> operator()(const Program& program, const F& forms) const {
    std::vector<ChosenForm> all = UniformForms{.maker = maker, .bias = bias}(program, forms);
    std::size_t fewest = 0;
    std::size_t enough = all.size();
    while (fewest < enough) {
      const std::size_t middle = fewest + (enough - fewest) / 2;
      if (fits(program, std::span(all).first(middle))) {
        enough = middle;
      } else {
        fewest = middle + 1;
      }
    }
    all.resize(enough);
    return all;
  }

 private:
  [[nodiscard]] bool fits(const Program& program, std::span<const ChosenForm> chosen) const {
    const Program formed = with_forms(program, choices_of(chosen)).program;
    const Simulation played =
        simulate(formed, schedule_from_saved(formed, SavedSet(formed.values().size(), 1)));
    return peak_in_flight(played.peak_bytes, played.boundary_bytes, passes_in_flight) <= budget;
  }
};

}  // namespace reprise::inline v0
