// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// The picture of a timeline is well-formed, says its numbers, and no text covers another.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <reprise/core/philox.hpp>
#include <reprise/report/timeline_svg.hpp>
#include <string>
#include <vector>

#include "support/seed.hpp"
#include "support/xml.hpp"

namespace {

using reprise::timeline_svg;
using reprise::TimelineStep;
using reprise_test::XmlElement;

bool says(const std::vector<XmlElement>& picture, const std::string& words) {
  return std::ranges::any_of(picture, [&](const XmlElement& element) {
    return element.text.find(words) != std::string::npos;
  });
}

std::vector<TimelineStep> sample() {
  return {{.start = 0, .end = 2e6, .during_bytes = 3 << 20U, .after_bytes = 2 << 20U},
          {.start = 2e6, .end = 3e6, .during_bytes = 5 << 20U, .after_bytes = 1 << 20U},
          {.start = 3e6,
           .end = 4e6,
           .during_bytes = 4 << 20U,
           .after_bytes = 1 << 20U,
           .is_rerun = true}};
}

}  // namespace

TEST_CASE("the picture says its numbers and units") {
  const auto picture = reprise_test::read_xml(timeline_svg(
      sample(), {.title = "a < b", .budget = reprise::byte_count{6} << 20U, .cost_unit = "ns"}));
  CHECK(says(picture, "a < b"));
  CHECK(says(picture, "peak 5.00 MiB of 6.00 MiB, recomputed 33.3 % of the program"));
  CHECK(says(picture, "live memory (MiB)"));
  CHECK(says(picture, "time (10⁶ ns)"));
  CHECK(says(picture, "budget"));
}

TEST_CASE("equal timelines give equal text") {
  CHECK(timeline_svg(sample()) == timeline_svg(sample()));
}

TEST_CASE("a budget far above everything is said, and not drawn") {
  const auto picture = reprise_test::read_xml(
      timeline_svg(sample(), {.title = "t", .budget = reprise::byte_count{1} << 40U}));
  CHECK(says(picture, "of 1.00 TiB"));
  CHECK_FALSE(std::ranges::any_of(
      picture, [](const XmlElement& e) { return e.attributes.contains("stroke-dasharray"); }));
}

TEST_CASE("no peak is lost between pixels") {
  std::vector<TimelineStep> steps;
  for (int i = 0; i < 100'000; ++i) {
    steps.push_back({.start = i * 1.0, .end = i + 1.0, .during_bytes = 10});
  }
  const std::string flat = timeline_svg(steps, {.budget = 1000});
  steps[54'321].during_bytes = 1000;
  CHECK(timeline_svg(steps, {.budget = 1000}) != flat);
}

TEST_CASE("recomputation shows where it is, by its share") {
  std::vector<TimelineStep> steps{{.start = 0, .end = 1, .during_bytes = 8},
                                  {.start = 1, .end = 2, .during_bytes = 8, .is_rerun = true}};
  const auto polygons = reprise_test::named(reprise_test::read_xml(timeline_svg(steps)), "polygon");
  REQUIRE(polygons.size() == 3);  // first runs, reruns, and the strip of shares
  CHECK(polygons[0].attributes.at("fill") != polygons[1].attributes.at("fill"));
  CHECK(polygons[1].attributes.at("fill") == polygons[2].attributes.at("fill"));
}

TEST_CASE("any timeline gives a picture in which no text covers another") {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    CAPTURE(reprise_test::seed());
    CAPTURE(seed);
    const reprise::Philox random(reprise_test::seed(), seed);
    const double cost = std::pow(10.0, random.uniform(1) * 16 - 3);
    const double bytes = std::pow(2.0, static_cast<double>(random.uniform(2)) * 50);
    std::vector<TimelineStep> steps;
    double clock = 0;
    for (std::uint64_t i = 0; i < random.bits(3) % 40U; ++i) {
      const double start = clock;
      clock += cost * static_cast<double>(random.bits(3 * i + 4) % 4U);
      steps.push_back({.start = start,
                       .end = clock,
                       .during_bytes = static_cast<reprise::byte_count>(
                           bytes * static_cast<double>(random.uniform(3 * i + 5))),
                       .is_rerun = random.bits(3 * i + 6) % 2U == 0});
    }
    const auto budget = static_cast<reprise::byte_count>(
        bytes * std::pow(2.0, static_cast<double>(random.uniform(7)) * 8 - 4));
    const auto picture = reprise_test::read_xml(timeline_svg(
        steps, {.title = "some program under some policy", .budget = budget, .cost_unit = "ns"}));
    CHECK(reprise_test::overlaps(picture) == "");
  }
}
