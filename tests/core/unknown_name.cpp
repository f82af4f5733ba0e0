// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <array>
#include <reprise/core/unknown_name.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr auto fruits = std::to_array<std::string_view>({"apple", "blood-orange", "fig"});

std::string nearest_of(std::string_view name) {
  return reprise::UnknownName("fruit", name, fruits).nearest();
}

}  // namespace

TEST_CASE("an unknown name lists the known ones, and where it stood") {
  const reprise::UnknownName error("fruit", "stone", fruits);
  CHECK(std::string(error.what()) ==
        "there is no fruit 'stone'; choose apple, blood-orange or fig");
  CHECK(error.name() == "stone");
  CHECK(error.nearest().empty());
  CHECK(error.known() == std::vector<std::string>{"apple", "blood-orange", "fig"});
  const reprise::UnknownName in_option("fruit", "stone", std::span(fruits).first(1), "--fruit");
  CHECK(std::string(in_option.what()) == "--fruit: there is no fruit 'stone'; choose apple");
}

TEST_CASE("a name that is nearly one suggests it, whatever its case and its hyphens") {
  CHECK(std::string(reprise::UnknownName("fruit", "aple", fruits).what()) ==
        "there is no fruit 'aple' (did you mean 'apple'?); choose apple, blood-orange or fig");
  CHECK(nearest_of("Apple") == "apple");
  CHECK(nearest_of("BLOOD_ORANGE") == "blood-orange");
  CHECK(nearest_of("blood orage") == "blood-orange");
  CHECK(nearest_of("fg") == "fig");
  CHECK(nearest_of("").empty());
  CHECK(nearest_of("pear").empty());
  CHECK(nearest_of(std::string(1'000'000, 'a')).empty());
}
