// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <random>
#include <reprise/program/forms/with_forms.hpp>
#include <reprise/program/program.hpp>
#include <vector>

#include "support/recorded_programs.hpp"
#include "support/wild_program.hpp"

namespace reprise_test {

/// Random forms of what backwards of a program read (any later operation, where it has no loss):
/// exact ones for some readers or all, approximate ones where a reader tolerates them, of several
/// restorations; in the host's memory where costs are seconds. None, if nothing can have one.
inline std::vector<reprise::FormChoice> wild_choices(std::mt19937_64& random,
                                                     const reprise::Program& program) {
  const auto chance = [&](double p) { return static_cast<double>(random() >> 11U) < p * 0x1p53; };
  const auto holds = [](const std::vector<reprise::value_id>& list, reprise::value_id value) {
    return std::ranges::find(list, value) != list.end();
  };
  std::vector<reprise::FormChoice> choices;
  for (reprise::value_id v = 0; v < program.values().size(); ++v) {
    const reprise::ValueKind kind = program.values()[v].kind;
    if (program.is_given(v) || kind == reprise::ValueKind::gradient || chance(0.5)) continue;
    reprise::FormChoice choice{.value = v, .bias = reprise::Bias::allowed};
    reprise::FormOption& option = choice.option;
    option.exactness = chance(0.6)   ? reprise::Exactness::exact
                       : chance(0.5) ? reprise::Exactness::unbiased
                                     : reprise::Exactness::biased;
    if (option.is_exact() && !program.cost_is_flops() && chance(0.5)) {
      option.memory = reprise::Memory::host;
    }
    option.bytes = program.values()[v].bytes / (1 + random() % 4) + random() % 2;
    option.cost = static_cast<double>(random() % 4);
    option.transient_bytes = chance(0.3) ? random() % 4 : 0;
    option.variance = option.is_exact() ? 0 : 1e-3 * static_cast<double>(random() % 8);
    option.restorations.resize(1 + random() % 2);
    for (reprise::Restoration& restoration : option.restorations) {
      restoration = {.cost = static_cast<double>(random() % 4), .transient_bytes = random() % 3};
    }
    const reprise::operation_id first =
        program.has_loss() ? program.loss() + 1 : program.maker(v) + 1;
    for (reprise::operation_id op = first; op < program.operations().size(); ++op) {
      const reprise::Operation& o = program.operations()[op];
      const bool makes_view = std::ranges::any_of(o.writes, [&](reprise::value_id written) {
        return program.values()[written].view_of == v;
      });
      if (!holds(o.reads, v) || holds(o.consumes, v) || makes_view || chance(0.2)) continue;
      if (!option.is_exact() && !o.tolerates_read(v)) continue;
      choice.reads.push_back({.reader = op, .restoration = random() % option.restorations.size()});
    }
    if (!choice.reads.empty()) choices.push_back(std::move(choice));
  }
  return choices;
}

/// A random program with random forms; codes of some are offloaded.
inline reprise::Program wild_forms(std::mt19937_64& random, WildOptions options = {}) {
  options.tolerates = true;
  const reprise::Program plain = wild_program(random, options);
  reprise::FormedProgram formed = reprise::with_forms(plain, wild_choices(random, plain));
  if (plain.cost_is_flops() || formed.forms.empty() || random() % 2 == 0) return formed.program;
  const reprise::MadeForm& made = formed.forms[random() % formed.forms.size()];
  const reprise::Value& form = formed.program.values()[made.form];
  if (form.host_bytes > 0 ||
      formed.program.operations()[made.maker].kind == reprise::OperationKind::offload) {
    return formed.program;
  }
  const std::vector<reprise::FormChoice> copy{
      {.value = made.form,
       .option = {.bytes = form.bytes, .memory = reprise::Memory::host, .cost = 2}}};
  return reprise::with_forms(formed.program, copy).program;
}

/// A small recorded program with exact forms, for exhaustive search: of 32 operations and values
/// at most.
inline reprise::Program random_formed_program(std::mt19937_64& random) {
  while (true) {
    const reprise::Program plain = random_recorded_program(random, 8);
    const reprise::FormedProgram formed = reprise::with_forms(plain, wild_choices(random, plain));
    const std::size_t size =
        std::max(formed.program.operations().size(), formed.program.values().size());
    if (!formed.forms.empty() && size <= 18) return formed.program;
  }
}

}  // namespace reprise_test
