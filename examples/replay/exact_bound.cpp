// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include "exact_bound.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <reprise/planner/staged/instant_needs.hpp>
#include <reprise/planner/staged/instant_programme.hpp>
#include <reprise/planner/staged/ladder.hpp>
#include <reprise/planner/staged/staged_request.hpp>
#include <string>
#include <vector>

#include "mip_solver.hpp"

namespace replay {
namespace {

using reprise::operation_id;
using reprise::value_id;
using reprise::staged::InstantProgramme;

/// The programme at the instant of a request where most is live; nothing to choose where all fits.
InstantProgramme programme_of(const reprise::PlanRequest& request) {
  reprise::staged::StagedRequest staged(request);
  const reprise::staged::StagedPlan base = staged.base();
  if (base.fits()) return {};
  const reprise::staged::Ladder ladder(staged);  // it holds the instant's operation to its stage
  return reprise::staged::InstantNeeds(base, ladder.instant()).programme();
}

// As it is, in as few digits as that takes.
std::string text_of(double number) {
  std::array<char, 512> text{};
  const auto [end, error] =
      std::to_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  return {text.data(), end};
}

/// Writes a programme in the LP format, a term a line: q<operation> is 1 where it is recomputed,
/// k<storage> where it is kept.
class LpText {
 public:
  explicit LpText(const InstantProgramme& choice)
      : choice_(choice), capacity_(choice.capacity), storages_(last_storage() + 1) {
    for (const InstantProgramme::Storage& one : choice.storages) {
      storages_[one.storage] = one;
      if (must_stay(one)) capacity_ -= one.bytes;
      if (is_open(one)) has_choice_ = true;
    }
  }

  /// False if what must stay takes more than there is.
  [[nodiscard]] bool can_fit() const noexcept { return capacity_ >= 0; }

  /// False if nothing has to be recomputed for another thing to be kept.
  [[nodiscard]] bool has_choice() const noexcept { return has_choice_; }

  [[nodiscard]] std::string str() {
    write_cost();
    write_capacity();
    for (const InstantProgramme::Storage& one : choice_.storages) {
      if (one.is_needed && is_open(one)) row(keep(one) + " + " + recompute(one.maker) + " >= 1");
    }
    for (const auto& [op, storage] : choice_.needs) {
      const InstantProgramme::Storage& one = storages_[storage];
      if (one.is_needed || !is_open(one)) continue;
      const bool may_be_recomputed = one.maker != reprise::Program::no_operation;
      row(keep(one) + (may_be_recomputed ? " + " + recompute(one.maker) : "") + " - " +
          recompute(op) + " >= 0");
    }
    for (const auto& [op, maker] : choice_.consumptions) {
      row(recompute(maker) + " - " + recompute(op) + " >= 0");
    }
    write_kinds();
    return text_;
  }

 private:
  [[nodiscard]] static bool must_stay(const InstantProgramme::Storage& one) noexcept {
    return one.is_needed && !one.is_there && one.maker == reprise::Program::no_operation;
  }
  // True if there is something to choose.
  [[nodiscard]] static bool is_open(const InstantProgramme::Storage& one) noexcept {
    return !one.is_there && !must_stay(one);
  }
  [[nodiscard]] static std::string keep(const InstantProgramme::Storage& one) {
    return "k" + std::to_string(one.storage);
  }
  [[nodiscard]] static std::string recompute(operation_id op) { return "q" + std::to_string(op); }

  [[nodiscard]] std::size_t last_storage() const {
    std::size_t last = 0;
    for (const InstantProgramme::Storage& one : choice_.storages) {
      last = std::max<std::size_t>(last, one.storage);
    }
    return last;
  }

  void write_cost() {
    text_ += "Minimize\n cost:";
    for (const auto& [op, cost] : choice_.recomputes) {
      text_ += "\n + " + text_of(cost) + " " + recompute(op);
    }
  }

  // In a unit near a thousandth of the capacity, so that a solver's tolerances mean something.
  void write_capacity() {
    const double unit = std::exp2(std::floor(std::log2(std::max(capacity_, 1.0) / 1024)));
    text_ += "\nSubject To\n bytes:";
    for (const InstantProgramme::Storage& one : choice_.storages) {
      if (is_open(one)) text_ += "\n + " + text_of(one.bytes / unit) + " " + keep(one);
    }
    text_ += "\n <= " + text_of(capacity_ / unit);
  }

  void row(const std::string& row) { text_ += "\n r" + std::to_string(++rows_) + ": " + row; }

  void write_kinds() {
    text_ += "\nBounds";
    for (const InstantProgramme::Storage& one : choice_.storages) {
      if (is_open(one)) text_ += "\n 0 <= " + keep(one) + " <= 1";
    }
    // Once it is known what is recomputed, what is kept is no choice any more.
    text_ += "\nBinaries";
    for (const InstantProgramme::Recompute& one : choice_.recomputes)
      text_ += "\n " + recompute(one.op);
    text_ += "\nEnd\n";
  }

  const InstantProgramme& choice_;
  double capacity_;
  std::vector<InstantProgramme::Storage> storages_;
  std::string text_;
  std::size_t rows_ = 0;
  bool has_choice_ = false;
};

bool has_cost(const InstantProgramme& choice) {
  return std::ranges::any_of(choice.recomputes,
                             [](const auto& recompute) { return recompute.cost > 0; });
}

}  // namespace

double exact_bound(const reprise::Program& program, reprise::byte_count budget, double seconds) {
  const InstantProgramme choice = programme_of({.program = program, .budget = budget});
  LpText text(choice);
  if (!text.can_fit()) return std::numeric_limits<double>::infinity();
  if (!text.has_choice() || !has_cost(choice)) return 0;
  return solve_lower_bound(text.str(), seconds);
}

}  // namespace replay
