// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A planner that is chosen at run time.

#include <concepts>
#include <cstdint>
#include <memory>
#include <reprise/core/error.hpp>
#include <reprise/planner/plan.hpp>
#include <reprise/planner/planner.hpp>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// Holds a planner of any type and plans as that one does.
///
/// Choose it where users name the planner at run time: what is built on it, such as a
/// `CheckpointScheduler` and a `Checkpointed`, is compiled once for all planners. A call costs one
/// virtual call more than the planner's own. Copies hold copies of the planner. Moved from, it can
/// only be assigned to or destroyed.
class AnyPlanner {
 public:
  /// Takes the planner over.
  /// @tparam P any planner that can be copied, but this one
  template <class P>
  requires(!std::same_as<P, AnyPlanner> && Planner<P> &&
           std::copy_constructible<P>) explicit AnyPlanner(P planner)
      : planner_(std::make_unique<Held<P>>(std::move(planner))) {}
  /// Copies the planner too.
  AnyPlanner(const AnyPlanner& other) : planner_(other.planner_->copy()) {}
  /// Copies the planner too.
  AnyPlanner& operator=(const AnyPlanner& other) {
    planner_ = other.planner_->copy();
    return *this;
  }
  /// Takes the planner over.
  AnyPlanner(AnyPlanner&&) noexcept = default;
  /// Takes the planner over.
  AnyPlanner& operator=(AnyPlanner&&) noexcept = default;
  ~AnyPlanner() = default;

  /// @throws whatever the planner throws
  [[nodiscard]] Plan operator()(const PlanRequest& request) { return planner_->plan(request); }

  /// Whether the planner is a StaticPlanner.
  [[nodiscard]] bool ignores_statistics() const noexcept { return planner_->is_static(); }

  /// What a StatefulPlanner remembers; nothing of any other.
  [[nodiscard]] std::vector<std::uint64_t> state() const { return planner_->state(); }

  /// Takes up what `state` gave, of a planner of the same type.
  /// @throws CorruptState if it cannot be; nothing changes then.
  void restore(const std::vector<std::uint64_t>& state) { planner_->restore(state); }

 private:
  struct Holder {
    Holder() = default;
    Holder(const Holder&) = delete;
    Holder& operator=(const Holder&) = delete;
    virtual ~Holder() = default;
    [[nodiscard]] virtual std::unique_ptr<Holder> copy() const = 0;
    [[nodiscard]] virtual Plan plan(const PlanRequest& request) = 0;
    [[nodiscard]] virtual bool is_static() const noexcept = 0;
    [[nodiscard]] virtual std::vector<std::uint64_t> state() const = 0;
    virtual void restore(const std::vector<std::uint64_t>& state) = 0;
  };

  template <Planner P>
  struct Held final : Holder {
    explicit Held(P held) : planner(std::move(held)) {}

    [[nodiscard]] std::unique_ptr<Holder> copy() const override {
      return std::make_unique<Held>(planner);
    }
    [[nodiscard]] Plan plan(const PlanRequest& request) override { return planner(request); }
    [[nodiscard]] bool is_static() const noexcept override { return StaticPlanner<P>; }
    [[nodiscard]] std::vector<std::uint64_t> state() const override {
      if constexpr (StatefulPlanner<P>) return planner.state();
      return {};
    }
    void restore(const std::vector<std::uint64_t>& state) override {
      if constexpr (StatefulPlanner<P>) {
        planner.restore(state);
      } else if (!state.empty()) {
        throw CorruptState("a state of " + std::to_string(state.size()) +
                           " words for a planner that has none");
      }
    }

    P planner;
  };

  std::unique_ptr<Holder> planner_;
};

static_assert(StatefulPlanner<AnyPlanner>);

}  // namespace reprise::inline v0
