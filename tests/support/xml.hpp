// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// As much of an XML parser as pictures need, which accepts nothing that is not well-formed.

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reprise_test {

/// An element with the text directly inside it.
struct XmlElement {
  std::string name{};
  std::map<std::string, std::string> attributes{};
  std::string text{};

  [[nodiscard]] double number(const std::string& attribute) const {
    return std::stod(attributes.at(attribute));
  }
};

/// Reads a document element by element.
class XmlReader {
 public:
  explicit XmlReader(std::string_view text) : rest_(text) {}

  /// All elements in the order of their start tags; the root is the first.
  /// @throws std::runtime_error if the document is not well-formed.
  std::vector<XmlElement> read() {
    element();
    while (!rest_.empty() && is_space(rest_.front())) take();
    if (!rest_.empty()) fail("something after the root");
    return std::move(elements_);
  }

 private:
  void element() {
    expect("<");
    const std::size_t place = elements_.size();
    elements_.push_back({.name = name()});
    while (is_space(peek())) {
      skip_space();
      if (peek() == '/' || peek() == '>') break;
      attribute(elements_[place]);
    }
    if (peek() == '/') return expect("/>");
    expect(">");
    while (!rest_.starts_with("</")) {
      if (peek() == '<') {
        element();
      } else {
        elements_[place].text += character();
      }
    }
    expect("</" + elements_[place].name);
    skip_space();
    expect(">");
  }

  void attribute(XmlElement& owner) {
    const std::string key = name();
    expect("=\"");
    std::string value;
    while (peek() != '"') value += character();
    expect("\"");
    if (!owner.attributes.emplace(key, value).second) fail("attribute twice");
  }

  char character() {
    constexpr std::array entities{std::pair{"&amp;", '&'}, std::pair{"&lt;", '<'},
                                  std::pair{"&gt;", '>'}, std::pair{"&quot;", '"'}};
    for (const auto& [entity, meaning] : entities) {
      if (!rest_.starts_with(entity)) continue;
      expect(entity);
      return meaning;
    }
    const char c = peek();
    if (c == '&' || c == '<') fail("a bare character that means something");
    if (static_cast<unsigned char>(c) < 0x20 && !is_space(c)) fail("a control character");
    return take();
  }

  std::string name() {
    std::string word;
    while (std::isalnum(static_cast<unsigned char>(peek())) != 0 || peek() == '-') word += take();
    if (word.empty()) fail("no name");
    return word;
  }

  void skip_space() {
    while (is_space(peek())) take();
  }
  static bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }
  char peek() {
    if (rest_.empty()) fail("it ends early");
    return rest_.front();
  }
  char take() {
    const char c = peek();
    rest_.remove_prefix(1);
    return c;
  }
  void expect(std::string_view word) {
    if (!rest_.starts_with(word)) fail("no " + std::string(word));
    rest_.remove_prefix(word.size());
  }
  [[noreturn]] void fail(const std::string& why) {
    throw std::runtime_error(why + " before: " + std::string(rest_.substr(0, 40)));
  }

  std::string_view rest_;
  std::vector<XmlElement> elements_;
};

/// The elements of a document. @throws std::runtime_error if it is not well-formed.
inline std::vector<XmlElement> read_xml(std::string_view text) { return XmlReader(text).read(); }

/// The elements of one name.
inline std::vector<XmlElement> named(const std::vector<XmlElement>& elements,
                                     std::string_view name) {
  std::vector<XmlElement> result;
  for (const XmlElement& element : elements) {
    if (element.name == name) result.push_back(element);
  }
  return result;
}

/// The box that a text takes up; letters are at most three fifths as wide as they are high.
struct TextBox {
  std::string words;
  double left, right, top, bottom;
};

inline std::vector<TextBox> text_boxes(const std::vector<XmlElement>& elements) {
  std::vector<TextBox> boxes;
  for (const XmlElement& text : named(elements, "text")) {
    if (text.text.empty()) continue;
    const double size = text.number("font-size");
    const auto letters = std::ranges::count_if(
        text.text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80; });
    const double length = 0.6 * size * static_cast<double>(letters);
    const std::string& anchor = text.attributes.at("text-anchor");
    const double before = anchor == "start" ? 0 : anchor == "middle" ? length / 2 : length;
    const double x = text.number("x");
    const double y = text.number("y");
    const bool is_upright = text.attributes.contains("transform");
    boxes.push_back(is_upright
                        ? TextBox{text.text, x - size, x, y - length + before, y + before}
                        : TextBox{text.text, x - before, x - before + length, y - 0.75 * size, y});
  }
  return boxes;
}

/// A line "this | that" for each pair of texts that overlap and each text that leaves the picture.
inline std::string overlaps(const std::vector<XmlElement>& elements) {
  const std::vector<TextBox> boxes = text_boxes(elements);
  const double width = elements.front().number("width");
  const double height = elements.front().number("height");
  std::string found;
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    const TextBox& a = boxes[i];
    if (a.left < 0 || a.right > width || a.top < 0 || a.bottom > height) {
      found += a.words + " | the edge\n";
    }
    for (std::size_t j = i + 1; j < boxes.size(); ++j) {
      const TextBox& b = boxes[j];
      if (a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom) {
        found += a.words + " | " + b.words + "\n";
      }
    }
  }
  return found;
}

}  // namespace reprise_test
