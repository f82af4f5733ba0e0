// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A clock of whatever type.

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <reprise/program/cost/host_clock.hpp>
#include <reprise/program/cost/operation_clock.hpp>
#include <utility>

namespace reprise::inline v0 {

/// An OperationClock of whatever type, the host's unless it is given another. Copies share the
/// clock.
class AnyOperationClock {
 public:
  /// The host's.
  AnyOperationClock() : AnyOperationClock(HostClock{}) {}
  /// Holds a clock.
  template <class C>
  requires(!std::same_as<C, AnyOperationClock> && OperationClock<C>) explicit(false)
      AnyOperationClock(C clock)
      : clock_(std::make_shared<Model<C>>(std::move(clock))) {}

  /// See OperationClock; throws what the clock throws.
  [[nodiscard]] std::uint64_t mark() { return clock_->mark(); }
  /// The same.
  [[nodiscard]] std::optional<double> seconds_between(std::uint64_t begin, std::uint64_t end) {
    return clock_->seconds_between(begin, end);
  }
  /// The same.
  void finish() { clock_->finish(); }

 private:
  struct Clock {
    virtual ~Clock() = default;
    [[nodiscard]] virtual std::uint64_t mark() = 0;
    [[nodiscard]] virtual std::optional<double> seconds_between(std::uint64_t begin,
                                                                std::uint64_t end) = 0;
    virtual void finish() = 0;
  };

  template <class C>
  struct Model final : Clock {
    explicit Model(C c) : clock(std::move(c)) {}

    [[nodiscard]] std::uint64_t mark() override { return clock.mark(); }
    [[nodiscard]] std::optional<double> seconds_between(std::uint64_t begin,
                                                        std::uint64_t end) override {
      return clock.seconds_between(begin, end);
    }
    void finish() override { clock.finish(); }

    C clock;
  };

  std::shared_ptr<Clock> clock_;
};

static_assert(OperationClock<AnyOperationClock>);

}  // namespace reprise::inline v0
