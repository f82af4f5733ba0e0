// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// What the reader of recorded programs takes while it reads: memory that does not grow with the
// log, beside the program, nor far beyond its longest line; work that grows as the log does.

#include <doctest/doctest.h>

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "log_source.hpp"
#include "malformed_program.hpp"
#include "recorded_program.hpp"
#include "support/counted_heap.hpp"

namespace {

using reprise_test::heap;

const std::string start = R"({"INSTRUCTION":"ANNOTATE","ANNOTATION":"START"})"
                          "\n";

// A log that is never there as a whole.
class Lines final : public replay::LogSource {
 public:
  using Line = std::function<std::string(std::size_t index)>;
  Lines(std::size_t count, Line line) : count_(count), line_(std::move(line)) {}

  [[nodiscard]] std::string_view next() override {
    if (next_ == count_) return {};
    text_ = line_(next_++);
    return text_;
  }

 private:
  std::size_t count_;
  Line line_;
  std::size_t next_ = 0;
  std::string text_{};
};

struct Cost {
  std::size_t peak;   ///< beyond what was live before
  std::size_t taken;  ///< in all
};

Cost cost_of(replay::LogSource& source) {
  const std::size_t live = heap.live;
  const std::size_t taken = heap.taken;
  heap.peak = heap.live;
  try {
    static_cast<void>(replay::parse_recorded_program("log", source));
  } catch (const replay::MalformedProgram&) {
  }
  return {.peak = heap.peak - live, .taken = heap.taken - taken};
}

std::string call(std::size_t index) {
  const std::string name = "a" + std::to_string(index);
  const std::string before = index == 0 ? "" : "\"a" + std::to_string(index - 1) + "\"";
  std::string text = R"({"INSTRUCTION":"CALL","NAME":"f","ARGS":[)" + before + R"(],"RESULT":[")" +
                     name + R"("],"TIME":1})" + "\n";
  text += R"({"INSTRUCTION":"MEMORY","NAME":")" + name + R"(","MEMORY":8})" + "\n";
  text += R"({"INSTRUCTION":"ALIAS","NAME":")" + name + R"(","ALIAS":-1})" + "\n";
  if (index > 0) {
    text += R"({"INSTRUCTION":"RELEASE","NAME":"a)" + std::to_string(index - 1) + "\"}\n";
  }
  return text;
}

}  // namespace

TEST_CASE("lines that mean nothing take no memory, however many they are") {
  for (const std::string& line :
       {std::string("{\"INSTRUCTION\":\"ANNOTATE\",\"ANNOTATION\":\"STOP\"}\n"),
        std::string("{\"INSTRUCTION\":\"RELEASE\",\"NAME\":\"never\"}\n"), std::string("   \n"),
        std::string("[1, 2]\n")}) {
    CAPTURE(line);
    const auto log = [&](std::size_t index) { return index == 0 && line[0] != '[' ? start : line; };
    Lines few(100, log);
    Lines many(100'000, log);
    const Cost of_few = cost_of(few);
    CHECK(of_few.peak < 16'384);
    CHECK(cost_of(many).peak < of_few.peak + 64);
  }
}

TEST_CASE("a long line takes a few times its length") {
  constexpr std::size_t length = 1 << 22;
  const auto repeated = [](std::string_view text) {
    std::string all;
    while (all.size() + text.size() <= length) all += text;
    return all;
  };
  const std::string x = R"({"INSTRUCTION":"CONSTANT","NAME":"x"})"
                        "\n"
                        R"({"INSTRUCTION":"MEMORY","NAME":"x","MEMORY":8})"
                        "\n";
  const std::string head = R"({"INSTRUCTION":"CALL","RESULT":[],"TIME":1,"NAME":"f")";
  for (const auto& [line, most] : std::vector<std::pair<std::string, std::size_t>>{
           {head + ",\"NAME\":\"" + std::string(length, 'a') + "\"}\n", 6},
           {head + ",\"NAME\":\"" + std::string(length, 'a'), 6},
           {head + ",\"ARGS\":[" + repeated("\"x\",") + "\"x\"]}\n", 8},
           {head + ",\"ARGS\":[" + repeated("1,") + "1]}\n", 8},
           {head + ",\"X\":[" + repeated("1,") + "1]}\n", 1},
           {head + repeated(",\"NAME\":1") + "}\n", 8},
           {head + ",\"X\":" + repeated("["), 4},
           {head + ",\"ARGS\":" + repeated("["), 4},
           {repeated("["), 1},
           {repeated("{\"a\":"), 1}}) {
    const std::string beginning = line.substr(0, 80);
    CAPTURE(beginning);
    const std::string text = start + x + line;
    replay::LogText source(text, 4096);
    CHECK(cost_of(source).peak < most * length);
  }
}

TEST_CASE("work and memory grow as the log does") {
  constexpr std::size_t calls = 10'000;
  const auto log = [](std::size_t index) { return index == 0 ? start : call(index - 1); };
  Lines one(calls, log);
  Lines four(4 * calls, log);
  const Cost of_one = cost_of(one);
  const Cost of_four = cost_of(four);
  CHECK(of_four.taken < 5 * of_one.taken);
  CHECK(of_four.peak < 5 * of_one.peak);
}
