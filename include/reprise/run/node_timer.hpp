// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Measures the calls of nodes while passes train.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <reprise/core/hash.hpp>
#include <reprise/core/state_words.hpp>
#include <reprise/program/cost/measured_time.hpp>
#include <reprise/program/cost/node_call.hpp>
#include <reprise/program/cost/node_times.hpp>
#include <reprise/program/operation.hpp>
#include <reprise/program/profile.hpp>
#include <reprise/program/program.hpp>
#include <string>
#include <utility>
#include <vector>

namespace reprise::inline v0::running {

/// Measures the calls of nodes while passes train, and puts what they take into profiles.
///
/// Of calls that a device has not come to yet it hears later: no pass waits for a time.
class NodeTimer {
 public:
  /// Has measured nothing.
  explicit NodeTimer(MeasuredTime options)
      : options_(std::move(options)),
        times_(options_.warm_up, options_.samples, options_.max_kinds) {}

  /// What a pass measures: some of its nodes, the same for all of their calls.
  struct Turn {
    std::uint64_t pass = 0;    ///< its number
    std::uint64_t stride = 1;  ///< one of so many nodes is measured

    /// By chance, so that no order of shapes and passes leaves a node out for ever.
    [[nodiscard]] bool measures(std::size_t node) const noexcept {
      return stride == 1 || hash_combine(pass, node) % stride == 0;
    }
  };

  /// Begins a pass, of which so much is measured as the share allows; takes in what is over of
  /// earlier ones.
  [[nodiscard]] Turn begin_pass(const Profile& profile) {
    collect();
    room_ = std::max(least_room, marks_of_a_node * profile.nodes.size());
    times_.make_room_for(profile.nodes.size());
    return {.pass = ++pass_, .stride = stride_for(profile)};
  }

  /// Makes a call, and measures it if it is its turn and its node does not declare its seconds.
  template <class F>
  void time(const Turn& turn, std::size_t node, const NodeProfile& profile, NodeCall call, F&& f) {
    if (profile.costs.forward_seconds || !turn.measures(node) || is_full()) return f();
    Marks marks{.kind = profile.kind,
                .call = call,
                .pass = turn.pass,
                .begin = options_.clock.mark(),
                .end = 0};
    try {
      f();
    } catch (...) {
      give_back(marks);
      throw;
    }
    marks.end = options_.clock.mark();
    marks_.push_back(marks);
  }

  /// Whether there are enough samples of all calls of a program that are to be measured.
  [[nodiscard]] bool is_settled(const Profile& profile, const Program& program) {
    collect();
    return std::ranges::all_of(program.operations(), [&](const Operation& operation) {
      const bool is_of_node =
          operation.kind == OperationKind::forward || operation.kind == OperationKind::backward;
      if (!is_of_node) return true;
      const NodeProfile& node = profile.nodes[operation.node];
      if (node.costs.forward_seconds) return true;
      return times_.is_settled(node.kind, operation.kind == OperationKind::forward
                                              ? NodeCall::forward
                                              : NodeCall::backward);
    });
  }

  /// Puts what was measured into a profile: the medians, and for what was never recomputed the
  /// time of its forward, as many times longer as the others took.
  void apply(Profile& profile) {
    collect();
    double forward = 0;
    double recompute = 0;
    std::vector<std::size_t> never_again;
    for (std::size_t i = 0; i < profile.nodes.size(); ++i) {
      NodeProfile& node = profile.nodes[i];
      if (node.costs.forward_seconds) continue;
      apply(node.kind, NodeCall::forward, node.forward_seconds);
      apply(node.kind, NodeCall::backward, node.backward_seconds);
      if (apply(node.kind, NodeCall::recompute, node.recompute_seconds)) {
        forward += node.forward_seconds;
        recompute += node.recompute_seconds;
      } else {
        never_again.push_back(i);
      }
    }
    const double ratio = recompute / forward;
    if (!(std::isfinite(ratio) && ratio > 0)) return;
    for (const std::size_t i : never_again) {
      profile.nodes[i].recompute_seconds = profile.nodes[i].forward_seconds * ratio;
    }
  }

  /// Measures a profile.
  [[nodiscard]] const AnyOperationClock& clock() const noexcept { return options_.clock; }

  /// Writes all samples; waits for those that are not over.
  void save(StateWriter& writer) {
    options_.clock.finish();
    collect();
    writer.word(pass_);
    times_.save(writer);
  }
  /// Takes up what `save` wrote.
  /// @throws CorruptState; nothing has changed then
  void load(StateReader& reader) {
    const std::uint64_t pass = reader.word();
    if (pass > most_passes) reader.refuse(std::to_string(pass) + " passes were measured");
    times_.load(reader, pass);
    pass_ = pass;
  }

 private:
  struct Marks {
    std::uint64_t kind;
    NodeCall call;
    std::uint64_t pass;
    std::uint64_t begin;
    std::uint64_t end;
    bool is_over = true;  ///< false for a call that threw
  };

  // What a device has not come to is bounded: a host that runs far ahead measures less.
  static constexpr std::size_t least_room = std::size_t{1} << 14U;
  static constexpr std::uint64_t most_passes = std::uint64_t{1} << 62U;
  static constexpr std::size_t marks_of_a_node = 4;  // two reruns beside forward and backward

  [[nodiscard]] bool is_full() {
    if (marks_.size() < room_) return false;
    collect();
    return marks_.size() >= room_;
  }

  // The clock may use the marks of a call that threw again; what it throws itself matters less.
  void give_back(Marks& marks) noexcept {
    try {
      marks.end = options_.clock.mark();
      marks.is_over = false;
      marks_.push_back(marks);
    } catch (...) {
    }
  }

  void collect() {
    std::erase_if(marks_, [this](const Marks& marks) {
      const auto seconds = options_.clock.seconds_between(marks.begin, marks.end);
      if (seconds && marks.is_over) times_.add(marks.kind, marks.call, marks.pass, *seconds);
      return seconds.has_value();
    });
  }

  bool apply(std::uint64_t kind, NodeCall call, double& to) {
    const std::optional<double> seconds = times_.seconds(kind, call);
    if (seconds) to = *seconds;
    return seconds.has_value();
  }

  /// One of so many nodes is measured in a pass: each has a forward and a backward, and a
  /// backward takes about as long as two forwards.
  [[nodiscard]] std::uint64_t stride_for(const Profile& profile) {
    double forward_seconds = 0;
    for (const NodeProfile& node : profile.nodes) forward_seconds += node.forward_seconds;
    if (!(forward_seconds > 0)) return 1;
    const double marks = 4 * static_cast<double>(profile.nodes.size());
    const double stride = marks * mark_seconds() / (options_.most_share * 3 * forward_seconds);
    const auto most = static_cast<double>(std::max<std::size_t>(profile.nodes.size(), 1));
    return static_cast<std::uint64_t>(std::ceil(std::clamp(stride, 1.0, most)));
  }

  // What one reading takes of the host, measured once.
  [[nodiscard]] double mark_seconds() {
    if (mark_seconds_) return *mark_seconds_;
    using clock = std::chrono::steady_clock;
    constexpr int pairs = 8;
    double least = std::numeric_limits<double>::infinity();
    for (int i = 0; i < pairs; ++i) {
      const clock::time_point start = clock::now();
      const std::uint64_t begin = options_.clock.mark();
      const std::uint64_t end = options_.clock.mark();
      least = std::min(least, std::chrono::duration<double>(clock::now() - start).count() / 2);
      options_.clock.finish();
      static_cast<void>(options_.clock.seconds_between(begin, end));
    }
    mark_seconds_ = least;
    return least;
  }

  MeasuredTime options_;
  NodeTimes times_;
  std::vector<Marks> marks_;  ///< of what is not known to be over
  std::uint64_t pass_ = 0;
  std::size_t room_ = least_room;  ///< for marks
  std::optional<double> mark_seconds_;
};

}  // namespace reprise::inline v0::running
