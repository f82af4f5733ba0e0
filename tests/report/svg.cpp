// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// SVG text is well-formed whatever is drawn.

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <reprise/core/philox.hpp>
#include <reprise/report/svg.hpp>
#include <string>
#include <vector>

#include "support/seed.hpp"
#include "support/xml.hpp"

namespace {

using reprise::Svg;
using reprise::svg_escape;

}  // namespace

TEST_CASE("characters that XML gives a meaning lose it") {
  CHECK(svg_escape("a<b & \"c\">") == "a&lt;b &amp; &quot;c&quot;&gt;");
  CHECK(svg_escape("") == "");
  CHECK(svg_escape("10⁶ ÷ 𝛿") == "10⁶ ÷ 𝛿");
}

TEST_CASE("what XML cannot hold becomes a question mark") {
  CHECK(svg_escape(std::string("a\0b\x1f\n", 5)) == "a?b??");
  CHECK(svg_escape("\xff|\xc3|\xe2\x82|\xc0\xaf|\xed\xa0\x80|\xf4\x90\x80\x80") ==
        "?|?|??|??|???|????");
}

TEST_CASE("shapes keep their numbers, rounded to hundredths") {
  Svg svg(100, 50, "two <shapes>");
  svg.rectangle({1, 2.5}, {11.004, 7.5}, {.fill = "#ff0000"});
  svg.line({0, 0}, {-0.001, 1e6}, {.stroke = "#00ff00", .dashes = "6 4"});
  svg.text({10, 20}, "x < y", {.anchor = "end", .is_upright = true});
  const auto elements = reprise_test::read_xml(svg.str());
  CHECK(elements[0].name == "svg");
  CHECK(elements[0].number("width") == 100);
  CHECK(elements[1].text == "two <shapes>");
  const auto rectangle = reprise_test::named(elements, "rect")[1];
  CHECK(rectangle.attributes.at("x") == "1");
  CHECK(rectangle.attributes.at("width") == "10");
  CHECK(rectangle.attributes.at("height") == "5");
  CHECK(rectangle.attributes.at("fill") == "#ff0000");
  const auto line = reprise_test::named(elements, "polyline")[0];
  CHECK(line.attributes.at("points") == "0,0 0,1000000");
  CHECK(line.attributes.at("stroke-dasharray") == "6 4");
  const auto text = reprise_test::named(elements, "text")[0];
  CHECK(text.text == "x < y");
  CHECK(text.attributes.at("transform") == "rotate(-90 10 20)");
}

TEST_CASE("any bytes as words give a well-formed picture") {
  const reprise::Philox random(reprise_test::seed(), 0);
  for (std::size_t i = 0; i < 500; ++i) {
    std::string words;
    for (std::size_t k = 0; k < 24; ++k) {
      words += static_cast<char>(random.bits(24 * i + k) & 0xFFU);
    }
    CAPTURE(reprise_test::seed());
    CAPTURE(i);
    Svg svg(10, 10, words);
    svg.text({0, 0}, words);
    const auto elements = reprise_test::read_xml(svg.str());
    CHECK(elements[1].text == elements.back().text);
    CHECK(svg_escape(elements[1].text) == svg_escape(words));
  }
}
