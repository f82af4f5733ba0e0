// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include <doctest/doctest.h>

#include <cstddef>
#include <reprise/backend/allocation_retry.hpp>
#include <stdexcept>
#include <string>

namespace {

// Plays a device whose memory runs out: what was tried, in order.
struct Device {
  int failures;
  bool has_room_to_make;
  std::string tried{};
  char memory = 0;

  void* allocate() {
    return reprise::allocate_with_retries(
        [this]() -> void* {
          tried += 'a';
          return failures-- > 0 ? nullptr : &memory;
        },
        [this] {
          tried += 'r';
          return has_room_to_make;
        },
        [this] { tried += 't'; });
  }
};

}  // namespace

TEST_CASE("an allocation makes room, then trims, and only then gives up") {
  const auto check = [](int failures, bool has_room, const std::string& tried, bool succeeds) {
    Device device{failures, has_room};
    CHECK((device.allocate() != nullptr) == succeeds);
    CHECK(device.tried == tried);
  };
  check(0, true, "a", true);
  check(1, true, "ara", true);
  check(2, true, "arata", true);
  check(3, true, "arata", false);
  check(1, false, "arta", true);
  check(2, false, "arta", false);
}

TEST_CASE("an exception on the way passes through") {
  CHECK_THROWS_AS(static_cast<void>(reprise::allocate_with_retries(
                      []() -> void* { return nullptr; },
                      []() -> bool { throw std::logic_error("room"); }, [] {})),
                  std::logic_error);
}
