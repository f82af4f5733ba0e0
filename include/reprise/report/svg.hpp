// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Pictures as SVG text.

#include <array>
#include <charconv>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace reprise::inline v0 {

/// A place in a picture, in pixels from its upper left corner.
struct SvgPoint {
  double x = 0;  ///< to the right
  double y = 0;  ///< downwards
};

/// How a shape looks; colours as SVG has them.
struct SvgStyle {
  std::string_view fill = "none";    ///< inside the shape
  std::string_view stroke = "none";  ///< along its edges; with "none" it has none
  double stroke_width = 1;           ///< in pixels
  std::string_view dashes = "";      ///< lengths of lines and gaps; empty: no gaps
};

/// How a text looks.
struct SvgTextStyle {
  std::string_view anchor = "start";  ///< what of the text is at its point: start, middle, end
  double size = 13;                   ///< of the font, in pixels
  std::string_view fill = "#333333";  ///< a colour as SVG has them
  bool is_bold = false;               ///< for titles
  bool is_upright = false;            ///< reads from bottom to top
};

/// A text where XML has its own meaning for some characters: well-formed whatever is in it. Control
/// characters and bytes that are no UTF-8 become question marks. Linear in the text.
[[nodiscard]] std::string svg_escape(std::string_view text);

/// Draws a picture, the back first. Equal calls give equal text.
class Svg {
 public:
  /// A white picture.
  /// @param title what it shows, for those who do not see it
  Svg(double width, double height, std::string_view title) {
    text_ = "<svg xmlns=\"http://www.w3.org/2000/svg\"" + attribute("width", width) +
            attribute("height", height) + " viewBox=\"0 0 " + number(width) + " " + number(height) +
            "\" font-family=\"Helvetica, Arial, 'DejaVu Sans', sans-serif\">\n" + "<title>" +
            svg_escape(title) + "</title>\n";
    rectangle({0, 0}, {width, height}, {.fill = "#ffffff"});
  }

  /// A rectangle with sides along the picture's own.
  void rectangle(SvgPoint upper_left, SvgPoint lower_right, const SvgStyle& style) {
    text_ += "<rect" + attribute("x", upper_left.x) + attribute("y", upper_left.y) +
             attribute("width", lower_right.x - upper_left.x) +
             attribute("height", lower_right.y - upper_left.y) + attributes(style) + "/>\n";
  }
  /// A straight line, whose stroke is what shows.
  void line(SvgPoint from, SvgPoint to, const SvgStyle& style) {
    polyline(std::array{from, to}, style);
  }
  /// Joins points in their order, without going back to the first.
  void polyline(std::span<const SvgPoint> points, const SvgStyle& style) {
    shape("polyline", points, style);
  }
  /// An area with these corners.
  void polygon(std::span<const SvgPoint> points, const SvgStyle& style) {
    shape("polygon", points, style);
  }
  /// A text whose baseline runs through the point.
  void text(SvgPoint at, std::string_view words, const SvgTextStyle& style = {}) {
    text_ += "<text" + attribute("x", at.x) + attribute("y", at.y) +
             attribute("font-size", style.size) + attribute("fill", style.fill) +
             attribute("text-anchor", style.anchor);
    if (style.is_bold) text_ += attribute("font-weight", "bold");
    if (style.is_upright) {
      text_ += attribute("transform", "rotate(-90 " + number(at.x) + " " + number(at.y) + ")");
    }
    text_ += ">" + svg_escape(words) + "</text>\n";
  }

  /// The whole picture.
  [[nodiscard]] std::string str() const { return text_ + "</svg>\n"; }

 private:
  void shape(const char* element, std::span<const SvgPoint> points, const SvgStyle& style) {
    text_ += "<" + std::string(element) + " points=\"";
    for (std::size_t i = 0; i < points.size(); ++i) {
      text_ += (i == 0 ? "" : " ") + number(points[i].x) + "," + number(points[i].y);
    }
    text_ += "\"" + attributes(style) + "/>\n";
  }

  [[nodiscard]] static std::string attributes(const SvgStyle& style) {
    std::string text = attribute("fill", style.fill);
    if (style.stroke == "none") return text;
    text += attribute("stroke", style.stroke) + attribute("stroke-width", style.stroke_width) +
            attribute("stroke-linejoin", "round");
    if (!style.dashes.empty()) text += attribute("stroke-dasharray", style.dashes);
    return text;
  }
  [[nodiscard]] static std::string attribute(const char* name, double value) {
    return attribute(name, number(value));
  }
  [[nodiscard]] static std::string attribute(const char* name, std::string_view value) {
    return " " + std::string(name) + "=\"" + svg_escape(value) + "\"";
  }
  // Hundredths of a pixel are more than enough.
  [[nodiscard]] static std::string number(double value) {
    std::array<char, 64> digits{};
    const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), value,
                                            std::chars_format::fixed, 2);
    std::string text(digits.data(), error == std::errc{} ? end : digits.data());
    while (text.ends_with('0')) text.pop_back();
    if (text.ends_with('.')) text.pop_back();
    return text == "-0" ? "0" : text;
  }

  std::string text_;
};

namespace svg {

/// The bytes of the UTF-8 character that the text starts with; 0 if it starts with none.
[[nodiscard]] inline std::size_t character_length(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const std::size_t length = byte(0) < 0x80                       ? 1
                             : byte(0) >= 0xC2 && byte(0) < 0xE0  ? 2
                             : byte(0) >= 0xE0 && byte(0) < 0xF0  ? 3
                             : byte(0) >= 0xF0 && byte(0) <= 0xF4 ? 4
                                                                  : 0;
  if (length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0U) != 0x80) return 0;
  }
  // Forms that are too long, surrogates, and what lies beyond Unicode.
  if (length == 3 && byte(0) == 0xE0 && byte(1) < 0xA0) return 0;
  if (length == 3 && byte(0) == 0xED && byte(1) >= 0xA0) return 0;
  if (length == 4 && byte(0) == 0xF0 && byte(1) < 0x90) return 0;
  if (length == 4 && byte(0) == 0xF4 && byte(1) >= 0x90) return 0;
  return length;
}

}  // namespace svg

inline std::string svg_escape(std::string_view text) {
  std::string escaped;
  while (!text.empty()) {
    const std::size_t length = svg::character_length(text);
    const char first = text.front();
    if (length == 0 || (length == 1 && static_cast<unsigned char>(first) < 0x20)) {
      escaped += '?';
    } else if (first == '&') {
      escaped += "&amp;";
    } else if (first == '<') {
      escaped += "&lt;";
    } else if (first == '>') {
      escaped += "&gt;";
    } else if (first == '"') {
      escaped += "&quot;";
    } else {
      escaped += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return escaped;
}

}  // namespace reprise::inline v0
