// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// The picture of what memory costs is well-formed, draws each point, and no text covers another.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <reprise/core/philox.hpp>
#include <reprise/report/pareto_svg.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "support/seed.hpp"
#include "support/xml.hpp"

namespace {

using reprise::pareto_svg;
using reprise::ParetoSeries;
using reprise_test::XmlElement;

std::vector<ParetoSeries> sample() {
  const reprise::byte_count gib = reprise::byte_count{1} << 30U;
  return {{.name = "fast & large", .points = {{4 * gib, 1.0}, {2 * gib, 1.5}, {3 * gib, 1.25}}},
          {.name = "slow", .points = {{2 * gib, 2.0}}, .note = "not below 2 GiB"}};
}

bool says(const std::vector<XmlElement>& picture, const std::string& words) {
  return std::ranges::any_of(picture, [&](const XmlElement& e) { return e.text == words; });
}

}  // namespace

TEST_CASE("the picture says names, notes, units and the baseline") {
  const auto picture = reprise_test::read_xml(
      pareto_svg(sample(), {.title = "model", .baseline = reprise::byte_count{5} << 30U}));
  for (const std::string words :
       {"model", "fast & large", "slow", "not below 2 GiB", "peak memory (GiB)",
        "overhead (time ÷ time without recomputation)", "dashed: baseline 5.00 GiB"}) {
    CAPTURE(words);
    CHECK(says(picture, words));
  }
}

TEST_CASE("a marker for each point and one in the legend, lines from left to right") {
  const auto picture = reprise_test::read_xml(pareto_svg(sample()));
  CHECK(reprise_test::named(picture, "polygon").size() == 4 + 2);
  for (const XmlElement& line : reprise_test::named(picture, "polyline")) {
    if (line.attributes.at("stroke") != reprise::pareto_picture::markers[0].colour) continue;
    double before = 0;
    std::istringstream points(line.attributes.at("points"));
    for (std::string point; points >> point;) {
      CHECK(std::stod(point) > before);
      before = std::stod(point);
    }
  }
}

TEST_CASE("equal points give equal text, in whatever order they come") {
  std::vector<ParetoSeries> shuffled = sample();
  std::ranges::reverse(shuffled[0].points);
  CHECK(pareto_svg(shuffled) == pareto_svg(sample()));
}

TEST_CASE("each policy has a look of its own") {
  std::set<std::string> looks;
  for (const auto& marker : reprise::pareto_picture::markers) {
    looks.insert(std::to_string(marker.corners) + " " + std::to_string(marker.turn) + " " +
                 std::string(marker.colour));
  }
  CHECK(looks.size() == reprise::pareto_picture::markers.size());
}

TEST_CASE("any number of series with any numbers gives a picture in which no text covers another") {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    CAPTURE(reprise_test::seed());
    CAPTURE(seed);
    const reprise::Philox random(reprise_test::seed(), seed);
    const double bytes = std::pow(2.0, static_cast<double>(random.uniform(0)) * 50);
    const double most = std::pow(10.0, static_cast<double>(random.uniform(1)) * 5 - 3);
    std::vector<ParetoSeries> series(random.bits(2) % 20U);
    std::uint64_t i = 3;
    for (ParetoSeries& one : series) {
      one.name = "a policy";
      one.note = "not met: 30 % of the baseline";
      for (int k = 0; k < 5; ++k) {
        const double memory = bytes * static_cast<double>(random.uniform(i++));
        const double overhead = 1 + most * static_cast<double>(random.uniform(i++));
        one.points.push_back({static_cast<reprise::byte_count>(memory), overhead});
      }
    }
    const auto picture = reprise_test::read_xml(
        pareto_svg(series, {.title = "a program", .baseline = static_cast<std::uint64_t>(bytes)}));
    CHECK(reprise_test::overlaps(picture) == "");
  }
}
