// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <random>
#include <reprise/backend/bfloat16.hpp>
#include <reprise/backend/float16.hpp>
#include <reprise/backend/instruction_set.hpp>
#include <reprise/codec/element_lanes.hpp>
#include <tuple>
#include <vector>

#include "support/codec_conformance.hpp"
#include "support/seed.hpp"

namespace {

template <class T, class I>
void check_lanes(std::mt19937_64& random) {
  if (!I::is_available()) return;
  using Lanes = reprise::codes::ElementLanes<T, I>;
  constexpr std::size_t width = reprise::codes::lanes_of<I>;
  for (int round = 0; round < 200; ++round) {
    const std::vector<T> in = reprise_test::random_elements<T>(width, random);
    std::vector<std::byte> bytes(width * sizeof(T) + 1);  // at an odd address
    std::memcpy(bytes.data() + 1, in.data(), width * sizeof(T));
    std::vector<T> out(width);
    I::run([&]() __attribute__((always_inline)) {
      typename Lanes::Floats numbers;
      Lanes::load(numbers, bytes.data() + 1);
      std::memset(bytes.data() + 1, 0, width * sizeof(T));
      Lanes::store(bytes.data() + 1, numbers);
      return 0.0;
    });
    std::memcpy(out.data(), bytes.data() + 1, width * sizeof(T));
    REQUIRE(reprise_test::is_same(in, out));
  }
}

template <class T>
void check_all(std::mt19937_64& random) {
  std::apply([&](auto... sets) { (check_lanes<T, decltype(sets)>(random), ...); },
             reprise::instruction_sets::All{});
}

}  // namespace

TEST_CASE("elements go to registers and back") {
  REPRISE_SEEDED(random);
  check_all<float>(random);
  check_all<reprise::float16>(random);
  check_all<reprise::bfloat16>(random);
}

TEST_CASE("numbers beyond a type become its largest") {
  using reprise::codes::to_element;
  CHECK(to_element<reprise::float16>(1e6).bits == 0x7BFF);
  CHECK(to_element<reprise::bfloat16>(-1e300).bits == 0xFF7F);
  CHECK(to_element<float>(1e300) == std::numeric_limits<float>::max());
}
