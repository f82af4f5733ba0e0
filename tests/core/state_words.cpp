// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <reprise/core/state_words.hpp>
#include <sstream>
#include <string>
#include <vector>

namespace {

using reprise::CorruptState;
using reprise::StateReader;
using reprise::StateWriter;

constexpr reprise::StateFormat format{
    .magic = {'T', 'E', 'S', 'T', 'W', 'O', 'R', 'D'}, .version = 3, .name = "test state"};

std::string saved() {
  StateWriter writer;
  writer.word(7);
  writer.real(std::numeric_limits<double>::quiet_NaN());
  writer.flag(true);
  writer.words(std::vector<std::uint64_t>{1, ~std::uint64_t{0}});
  writer.reals(std::vector<double>{-0.0, 0.1});
  std::ostringstream out;
  writer.write(out, format);
  return out.str();
}

StateReader reader_of(const std::string& bytes, const reprise::StateFormat& as = format) {
  std::istringstream in(bytes);
  return {in, as};
}

}  // namespace

TEST_CASE("state words come back as they were, and nothing beyond them is read") {
  std::istringstream in(saved() + "next");
  StateReader reader(in, format);
  CHECK(in.get() == 'n');
  CHECK(reader.word() == 7);
  CHECK(std::isnan(reader.real()));
  CHECK(reader.flag());
  CHECK(reader.words() == std::vector<std::uint64_t>{1, ~std::uint64_t{0}});
  const std::vector<double> reals = reader.reals();
  REQUIRE(reals.size() == 2);
  CHECK(std::signbit(reals[0]));
  CHECK(reals[1] == 0.1);
  CHECK_NOTHROW(reader.expect_end());
  CHECK_THROWS_WITH_AS(static_cast<void>(reader.word()), "test state: its content ends too early",
                       CorruptState);
}

TEST_CASE("state words that are truncated, damaged or of another kind are refused") {
  const std::string good = saved();
  for (std::size_t length = 0; length < good.size(); ++length) {
    CHECK_THROWS_AS(static_cast<void>(reader_of(good.substr(0, length))), CorruptState);
  }
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x10);
    CHECK_THROWS_AS(static_cast<void>(reader_of(bad)), CorruptState);
  }
  auto other = format;
  other.version = 4;
  CHECK_THROWS_WITH_AS(static_cast<void>(reader_of(good, other)),
                       "test state: version 3, this is 4", CorruptState);
  other = format;
  other.magic[0] = 'X';
  CHECK_THROWS_WITH_AS(static_cast<void>(reader_of(good, other)),
                       "test state: it does not begin with the magic number of one", CorruptState);
}

TEST_CASE("content that is not what is asked for is refused") {
  StateReader flags = reader_of(saved());
  CHECK_THROWS_WITH_AS(static_cast<void>(flags.flag()), "test state: a flag is 7", CorruptState);
  StateReader lists = reader_of(saved());
  CHECK_NOTHROW(static_cast<void>(lists.count()));
  CHECK_THROWS_AS(static_cast<void>(lists.words()), CorruptState);
  CHECK_THROWS_AS(lists.expect_end(), CorruptState);
}

TEST_CASE("a stream that refuses the bytes is an error") {
  std::ostringstream out;
  out.setstate(std::ios::badbit);
  CHECK_THROWS_AS(StateWriter{}.write(out, format), reprise::Error);
}
