// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What time it is on each lane while a schedule is played.

#include <algorithm>
#include <array>
#include <cstddef>
#include <reprise/program/lane.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/schedule.hpp>
#include <vector>

namespace reprise::inline v0 {

/// One clock a lane, in the program's unit of cost: an operation takes what it costs, on a lane it
/// begins once that lane is free and computing has come to it, and an await lets computing wait.
///
/// The first run of a forward takes as long as a recomputation of it. Each action takes constant
/// time.
class LaneClocks {
 public:
  /// @param program must outlive the clocks
  explicit LaneClocks(const Program& program)
      : program_(&program), ends_(program.has_forms() ? program.operations().size() : 0, 0) {}

  /// Plays an action that has a meaning where it stands.
  void apply(const Action& action) {
    switch (action.kind) {
      case ActionKind::run:
        begin(action.index);
        return end(action.index);
      case ActionKind::start:
        return begin(action.index);
      case ActionKind::await:
        return end(action.index);
      case ActionKind::drop:
        break;
    }
  }

  /// Of a lane.
  [[nodiscard]] double now(Lane lane) const noexcept { return now_[index(lane)]; }
  /// Of the lane that is latest.
  [[nodiscard]] double latest() const noexcept { return std::ranges::max(now_); }
  /// In which computing had to wait for another lane.
  [[nodiscard]] double waited() const noexcept { return waited_; }

 private:
  [[nodiscard]] static constexpr std::size_t index(Lane lane) noexcept {
    return static_cast<std::size_t>(lane);
  }

  void begin(operation_id op) {
    const Operation& o = program_->operations()[op];
    const Lane lane = lane_of(o.kind);
    double& clock = now_[index(lane)];
    clock = std::max(clock, now(Lane::compute)) + o.cost;
    if (lane != Lane::compute) ends_[op] = clock;
  }

  void end(operation_id op) {
    if (ends_.empty()) return;
    double& computing = now_[index(Lane::compute)];
    if (ends_[op] <= computing) return;
    waited_ += ends_[op] - computing;
    computing = ends_[op];
  }

  const Program* program_;
  std::array<double, 3> now_{};
  std::vector<double> ends_;  ///< of each operation that has run on a lane
  double waited_ = 0;
};

}  // namespace reprise::inline v0
