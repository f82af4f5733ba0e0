// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// Samples of how long calls took: warm-up, medians, what is forgotten, and saved state.

#include "reprise/program/cost/node_times.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <reprise/core/error.hpp>
#include <reprise/core/state_words.hpp>
#include <sstream>
#include <string>

namespace {

using reprise::NodeCall;
using reprise::NodeTimes;

constexpr reprise::StateFormat format{
    .magic = {'t', 'i', 'm', 'e', 's', '.', '.', '.'}, .version = 1, .name = "times"};

std::string saved(const NodeTimes& times) {
  reprise::StateWriter writer;
  times.save(writer);
  std::ostringstream out;
  writer.write(out, format);
  return out.str();
}

}  // namespace

TEST_CASE("the median of so many samples counts, and the passes before do not") {
  NodeTimes times(1, 3, 100);
  times.add(7, NodeCall::forward, 4, 90);  // of its first pass
  times.add(7, NodeCall::forward, 4, 80);
  CHECK_FALSE(times.seconds(7, NodeCall::forward));
  times.add(7, NodeCall::forward, 5, 3);
  CHECK(times.seconds(7, NodeCall::forward) == 3);
  times.add(7, NodeCall::forward, 5, 50);
  times.add(7, NodeCall::backward, 5, 6);
  CHECK_FALSE(times.is_settled(7, NodeCall::forward));
  times.add(7, NodeCall::forward, 6, 4);
  CHECK(times.is_settled(7, NodeCall::forward));
  CHECK(times.seconds(7, NodeCall::forward) == 4);
  times.add(7, NodeCall::forward, 7, 1000);
  CHECK(times.seconds(7, NodeCall::forward) == 4);
  CHECK(times.seconds(7, NodeCall::backward) == 6);
  CHECK_FALSE(times.seconds(7, NodeCall::recompute));
  CHECK_FALSE(times.is_settled(8, NodeCall::forward));
}

TEST_CASE("a time that is none is left out") {
  NodeTimes times(0, 1, 100);
  for (const double wrong :
       {-1.0, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    times.add(1, NodeCall::forward, 1, wrong);
  }
  CHECK_FALSE(times.is_settled(1, NodeCall::forward));
  times.add(1, NodeCall::forward, 1, 0);
  CHECK(times.is_settled(1, NodeCall::forward));
}

TEST_CASE("of many kinds those used last stay, and never more than so many") {
  NodeTimes times(0, 1, 10);
  for (std::uint64_t kind = 0; kind < 1000; ++kind) {
    times.add(kind, NodeCall::forward, 1, 1);
    CHECK(times.is_settled(0, NodeCall::forward));  // which is a use
    CHECK(times.size() <= 10);
  }
  CHECK(times.is_settled(999, NodeCall::forward));
  CHECK(times.is_settled(997, NodeCall::forward));
  CHECK_FALSE(times.is_settled(500, NodeCall::forward));
}

TEST_CASE("what is saved is taken up, and what is no time is refused") {
  NodeTimes times(1, 4, 8);
  for (std::uint64_t kind = 0; kind < 20; ++kind) {
    for (std::uint64_t pass = 1; pass < 4; ++pass) {
      times.add(kind, NodeCall::forward, pass, static_cast<double>(kind + pass));
      times.add(kind, NodeCall::recompute, pass, 0.5);
    }
  }
  const std::string bytes = saved(times);
  std::istringstream in(bytes);
  reprise::StateReader reader(in, format);
  NodeTimes again(1, 4, 8);
  again.load(reader, 3);
  CHECK_NOTHROW(reader.expect_end());
  CHECK(saved(again) == bytes);
  CHECK(again.seconds(19, NodeCall::forward) == times.seconds(19, NodeCall::forward));

  reprise::StateWriter writer;
  writer.words(std::vector<std::uint64_t>{3});
  writer.word(1);
  writer.reals(std::vector<double>{-1.0});
  writer.reals({});
  writer.reals({});
  writer.words({});
  std::ostringstream out;
  writer.write(out, format);
  std::istringstream wrong(out.str());
  reprise::StateReader refusing(wrong, format);
  CHECK_THROWS_AS(again.load(refusing, 3), reprise::CorruptState);
  CHECK(saved(again) == bytes);
}
