// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// Ticks are round numbers, few enough, and told apart by their labels.

#include <doctest/doctest.h>

#include <cmath>
#include <reprise/report/axis.hpp>
#include <set>
#include <string>
#include <vector>

using reprise::Axis;

TEST_CASE("an axis puts its ends where they belong") {
  const Axis axis{.low = 2, .high = 6, .start = 100, .end = 20};
  CHECK(axis.at(2) == 100);
  CHECK(axis.at(6) == 20);
  CHECK(axis.at(4) == 60);
}

TEST_CASE("steps are 1, 2 or 5 times a power of ten") {
  CHECK(reprise::tick_step(10, 10) == 1);
  CHECK(reprise::tick_step(11, 10) == 2);
  CHECK(reprise::tick_step(21, 10) == doctest::Approx(5));
  CHECK(reprise::tick_step(51, 10) == doctest::Approx(10));
  CHECK(reprise::tick_step(0.07, 8) == doctest::Approx(0.01));
}

TEST_CASE("a range has few ticks, and each has a label of its own") {
  for (double range = 1e-4; range < 1e7; range *= 1.37) {
    CAPTURE(range);
    const double step = reprise::tick_step(range, 8);
    std::set<std::string> labels;
    int ticks = 0;
    reprise::for_each_tick({.low = 1, .high = 1 + range}, step, [&](double value) {
      ++ticks;
      CHECK(std::abs(value / step - std::round(value / step)) < 1e-6);
      labels.insert(reprise::tick_label(value, step));
    });
    CHECK(ticks >= 2);
    CHECK(ticks <= 9);
    CHECK(labels.size() == static_cast<std::size_t>(ticks));
  }
}

TEST_CASE("zero is not below itself") {
  std::vector<std::string> labels;
  reprise::for_each_tick({.low = 0, .high = 1}, 0.5,
                         [&](double value) { labels.push_back(reprise::tick_label(value, 0.5)); });
  CHECK(labels == std::vector<std::string>{"0.0", "0.5", "1.0"});
}

TEST_CASE("units are the largest that is there once") {
  CHECK(reprise::byte_unit(1023).name == "bytes");
  CHECK(reprise::byte_unit(1024).name == "KiB");
  CHECK(reprise::byte_unit(reprise::byte_count{3} << 30U).name == "GiB");
  CHECK(reprise::decimal_unit(999).name == "");
  CHECK(reprise::decimal_unit(2e6).name == "10⁶ ");
}
