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
#include <reprise/core/state_words.hpp>
#include <reprise/program/cost/measured_time.hpp>
#include <reprise/program/cost/node_call.hpp>
#include <reprise/program/cost/node_times.hpp>
#include <reprise/program/profile.hpp>
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

  /// Begins a pass, of which so much is measured as the share allows; takes in what is over of
  /// earlier ones.
  void begin_pass(const Profile& profile) {
    collect();
    ++pass_;
    stride_ = stride_for(profile);
    room_ = std::max(least_room, marks_of_a_node * profile.nodes.size());
    times_.make_room_for(profile.nodes.size());
  }

  /// Makes a call, and measures it if it is its turn and its node does not declare its seconds.
  template <class F>
  void time(std::size_t node, const NodeProfile& profile, NodeCall call, F&& f) {
    if (profile.costs.forward_seconds || (node + pass_) % stride_ != 0 || is_full()) return f();
    Marks& marks = marks_.emplace_back(
        Marks{.kind = profile.kind, .call = call, .pass = pass_, .begin = options_.clock.mark()});
    // Nothing else is measured until the call returns: nodes do not call each other.
    try {
      f();
    } catch (...) {
      marks.is_over = false;
      marks.end = options_.clock.mark();
      throw;
    }
    marks.end = options_.clock.mark();
  }

  /// Whether there are enough samples of all that is to be measured.
  [[nodiscard]] bool is_settled(const Profile& profile) {
    collect();
    return std::ranges::all_of(profile.nodes, [this](const NodeProfile& node) {
      return node.costs.forward_seconds || times_.is_settled(node.kind);
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
    if (!(forward > 0 && recompute > 0)) return;
    for (const std::size_t i : never_again) {
      profile.nodes[i].recompute_seconds = profile.nodes[i].forward_seconds * (recompute / forward);
    }
  }

  /// Measures a profile.
  [[nodiscard]] const AnyOperationClock& clock() const noexcept { return options_.clock; }

  /// Writes all samples, those that are over now included.
  void save(StateWriter& writer) {
    collect();
    writer.word(pass_);
    times_.save(writer);
  }
  /// Takes up what `save` wrote.
  /// @throws CorruptState; nothing has changed then
  void load(StateReader& reader) {
    const std::uint64_t pass = reader.word();
    times_.load(reader);
    pass_ = pass;
  }

 private:
  struct Marks {
    std::uint64_t kind;
    NodeCall call;
    std::uint64_t pass;
    std::uint64_t begin;
    std::uint64_t end = 0;
    bool is_over = true;  ///< false for a call that threw
  };

  // What a device has not come to is bounded: a host that runs far ahead measures less.
  static constexpr std::size_t least_room = std::size_t{1} << 14U;
  static constexpr std::size_t marks_of_a_node = 4;  // two reruns beside forward and backward

  [[nodiscard]] bool is_full() {
    if (marks_.size() < room_) return false;
    collect();
    return marks_.size() >= room_;
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

  /// Every how manieth node is measured in a pass: each has a forward and a backward, and a
  /// backward takes about as long as two forwards.
  [[nodiscard]] std::size_t stride_for(const Profile& profile) {
    double forward_seconds = 0;
    for (const NodeProfile& node : profile.nodes) forward_seconds += node.forward_seconds;
    if (!(forward_seconds > 0)) return 1;
    const double marks = 4 * static_cast<double>(profile.nodes.size());
    const double stride = marks * mark_seconds() / (options_.most_share * 3 * forward_seconds);
    const auto most = static_cast<double>(std::max<std::size_t>(profile.nodes.size(), 1));
    return static_cast<std::size_t>(std::ceil(std::clamp(stride, 1.0, most)));
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
  std::size_t stride_ = 1;
  std::size_t room_ = least_room;  ///< for marks
  std::optional<double> mark_seconds_;
};

}  // namespace reprise::inline v0::running
