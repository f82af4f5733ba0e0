// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include <array>
#include <cstdlib>
#include <reprise/core/mutant.hpp>
#include <string_view>
#include <utility>

namespace {

using reprise::Mutant;

constexpr std::array mutants{
    std::pair{std::string_view("copies-uncounted"), Mutant::copies_uncounted},
    std::pair{std::string_view("parts-uncounted"), Mutant::parts_uncounted},
    std::pair{std::string_view("skipped-output-counted"), Mutant::skipped_output_counted},
    std::pair{std::string_view("transient-undeclared"), Mutant::transient_undeclared},
    std::pair{std::string_view("stream-not-replayed"), Mutant::stream_not_replayed},
    std::pair{std::string_view("consumed-still-held"), Mutant::consumed_still_held},
    std::pair{std::string_view("view-source-forgotten"), Mutant::view_source_forgotten},
    std::pair{std::string_view("none"), Mutant::none},
};

Mutant chosen() {
  const char* const name = std::getenv("REPRISE_MUTANT");
  for (const auto& [known, mutant] : mutants) {
    if (name != nullptr && known == name) return mutant;
  }
  std::abort();
}

}  // namespace

namespace reprise::inline v0 {

Mutant active_mutant() noexcept {
  static const Mutant mutant = chosen();
  return mutant;
}

}  // namespace reprise::inline v0
