// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// A fuzz target without its fuzzer: its corpus, cut and changed, and random inputs.

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "support/seed.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

void feed(const std::string& input) {
  CHECK(LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size()) ==
        0);
}

template <class F>
void for_each_input(F f) {
  std::size_t count = 0;
  for (const auto& file :
       std::filesystem::directory_iterator(REPRISE_FUZZ_CORPUS "/" REPRISE_FUZZ_COMPONENT)) {
    CAPTURE(file.path().filename().string());
    std::ifstream stream(file.path(), std::ios::binary);
    f(std::string{std::istreambuf_iterator<char>(stream), {}});
    ++count;
  }
  CHECK(count > 0);
}

}  // namespace

TEST_CASE("the corpus holds nothing that is worse than refused") {
  for_each_input([](const std::string& input) { feed(input); });
}

TEST_CASE("nor do its inputs, cut off anywhere or with a byte changed") {
  REPRISE_SEEDED(random);
  for_each_input([&](const std::string& input) {
    const std::size_t step = 1 + input.size() / 25;
    for (std::size_t at = random() % step; at < input.size(); at += step) {
      feed(input.substr(0, at));
      std::string changed = input;
      changed[at] = static_cast<char>(random());
      feed(changed);
    }
  });
}

TEST_CASE("random inputs are refused or mean what they say") {
  REPRISE_SEEDED(random);
  for (int i = 0; i < 300; ++i) {
    CAPTURE(i);
    std::string input(random() % 400, '\0');
    for (char& c : input) c = static_cast<char>(random());
    feed(input);
  }
}
