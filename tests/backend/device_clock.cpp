// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// A clock of a device's own events, under a runtime that is played on the host and does nothing
// until somebody waits.

#include "reprise/backend/device_clock.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <reprise/backend/device_stream.hpp>
#include <utility>
#include <vector>

#include "support/played_runtime.hpp"

namespace {

using reprise_test::PlayedRuntime;
using Clock = reprise::DeviceClock<PlayedRuntime>;
using Stream = reprise::DeviceStream<PlayedRuntime>;

void work(const Stream& stream, int operations) {
  static int number = 0;
  for (int i = 0; i < operations; ++i) {
    PlayedRuntime::fill_zero(&number, sizeof(number), stream.get());
  }
}

}  // namespace

TEST_CASE("a device's time is known once it has come to the marks, and nobody waits for it") {
  const Stream stream;
  Clock clock(stream);
  const std::uint64_t begin = clock.mark();
  work(stream, 3);
  const std::uint64_t middle = clock.mark();
  work(stream, 5);
  const std::uint64_t again = clock.mark();
  const std::uint64_t end = clock.mark();
  CHECK_FALSE(clock.seconds_between(begin, middle));
  clock.finish();
  CHECK(*clock.seconds_between(begin, again) == doctest::Approx(8e-3));
  CHECK(*clock.seconds_between(middle, end) == doctest::Approx(5e-3));
}

TEST_CASE("marks that were used up are used again, so that events do not grow in number") {
  const Stream stream;
  Clock clock(stream);
  std::uint64_t most = 0;
  for (int step = 0; step < 100; ++step) {
    const std::uint64_t begin = clock.mark();
    work(stream, 1);
    const std::uint64_t end = clock.mark();
    most = std::max({most, begin, end});
    CHECK_FALSE(clock.seconds_between(begin, end));
    stream.synchronize();
    CHECK(clock.seconds_between(begin, end));
  }
  CHECK(most < 2);
}

TEST_CASE("a capture is left alone, and what was before it is known after it") {
  const Stream stream;
  Clock clock(stream);
  const std::uint64_t begin = clock.mark();
  work(stream, 2);
  const std::uint64_t end = clock.mark();
  stream.synchronize();
  PlayedRuntime::machine().is_capturing = true;
  CHECK_FALSE(clock.seconds_between(begin, end));
  const std::uint64_t first = clock.mark();
  const std::uint64_t second = clock.mark();
  CHECK(std::isnan(*clock.seconds_between(first, second)));
  clock.finish();
  PlayedRuntime::machine().is_capturing = false;
  CHECK(*clock.seconds_between(begin, end) == doctest::Approx(2e-3));
}
