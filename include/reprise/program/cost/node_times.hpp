// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// How long calls of nodes took.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <reprise/core/state_words.hpp>
#include <reprise/program/cost/node_call.hpp>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// Samples of how long the calls of nodes took, by kinds of nodes: equal ones share theirs.
///
/// Of each kind it leaves out so many passes, takes so many samples of each call, and no more;
/// their median is what the call takes. To ask for a kind is to use it. Of the kinds that were used
/// last it remembers at least half of its capacity; each use takes constant time on average.
class NodeTimes {
 public:
  /// None.
  /// @param warm_up  passes of a kind that are left out
  /// @param samples  of each call; 0 counts as 1
  /// @param capacity kinds that it remembers at most; below 2 counts as 2
  NodeTimes(std::size_t warm_up, std::size_t samples, std::size_t capacity)
      : warm_up_(warm_up),
        samples_(std::max<std::size_t>(samples, 1)),
        half_(std::max<std::size_t>(capacity / 2, 1)) {}

  /// Remembers at least so many kinds from now on, those of one pass.
  void make_room_for(std::size_t kinds) noexcept { half_ = std::max(half_, kinds); }

  /// Takes a sample, unless there are enough. One that is negative, not finite or above 1e9 is
  /// none.
  /// @param pass its number: numbers never fall
  void add(std::uint64_t kind, NodeCall call, std::uint64_t pass, double seconds) {
    if (!is_time(seconds)) return;
    Times* times = find(kind);
    if (times == nullptr) {
      make_room();
      times = &recent_.insert({kind, Times{.first_pass = pass}}).first->second;
    }
    Samples& known = times->samples_of(call);
    if (known.size() >= samples_ || pass - times->first_pass < warm_up_) return;
    known.push_back(seconds);
  }

  /// Whether there are enough samples of a call.
  [[nodiscard]] bool is_settled(std::uint64_t kind, NodeCall call) {
    Times* const times = find(kind);
    return times != nullptr && times->samples_of(call).size() >= samples_;
  }

  /// What a call takes, the median so far; empty without a sample.
  [[nodiscard]] std::optional<double> seconds(std::uint64_t kind, NodeCall call) {
    Times* const times = find(kind);
    if (times == nullptr || times->samples_of(call).empty()) return std::nullopt;
    Samples known = times->samples_of(call);
    const auto middle = known.begin() + static_cast<std::ptrdiff_t>((known.size() - 1) / 2);
    std::ranges::nth_element(known, middle);
    return *middle;
  }

  /// Kinds that it remembers now.
  [[nodiscard]] std::size_t size() const noexcept { return recent_.size() + older_.size(); }

  /// Writes all samples. Takes time n log n.
  void save(StateWriter& writer) const {
    save(writer, older_);
    save(writer, recent_);
  }

  /// Takes up what `save` wrote; samples beyond those that it takes are left out.
  /// @param pass the last one's number
  /// @throws CorruptState; nothing has changed then
  void load(StateReader& reader, std::uint64_t pass) {
    Generation older = read(reader, pass);
    Generation recent = read(reader, pass);
    older_ = std::move(older);
    recent_ = std::move(recent);
  }

 private:
  using Samples = std::vector<double>;

  struct Times {
    std::uint64_t first_pass = 0;
    std::array<Samples, node_call_count> samples{};

    [[nodiscard]] Samples& samples_of(NodeCall call) {
      return samples[static_cast<std::size_t>(call)];
    }
  };
  using Generation = std::unordered_map<std::uint64_t, Times>;

  // A call that takes longer than thirty years is a fault of the clock.
  [[nodiscard]] static bool is_time(double seconds) noexcept {
    return seconds >= 0 && seconds <= 1e9;
  }

  // What is used moves to the recent ones.
  [[nodiscard]] Times* find(std::uint64_t kind) {
    const auto recent = recent_.find(kind);
    if (recent != recent_.end()) return &recent->second;
    auto older = older_.extract(kind);
    if (older.empty()) return nullptr;
    make_room();
    return &recent_.insert(std::move(older)).position->second;
  }

  void make_room() {
    if (recent_.size() >= half_) older_ = std::exchange(recent_, {});
  }

  static void save(StateWriter& writer, const Generation& generation) {
    std::vector<std::uint64_t> kinds;
    kinds.reserve(generation.size());
    for (const auto& [kind, times] : generation) kinds.push_back(kind);
    std::ranges::sort(kinds);
    writer.words(kinds);
    for (const std::uint64_t kind : kinds) {
      const Times& times = generation.at(kind);
      writer.word(times.first_pass);
      for (const Samples& samples : times.samples) writer.reals(samples);
    }
  }

  [[nodiscard]] Generation read(StateReader& reader, std::uint64_t pass) const {
    Generation generation;
    for (const std::uint64_t kind : reader.words()) {
      Times& times = generation[kind];
      times.first_pass = reader.word();
      if (times.first_pass > pass) {
        reader.refuse("a node was first measured in pass " + std::to_string(times.first_pass) +
                      " of " + std::to_string(pass));
      }
      for (Samples& samples : times.samples) {
        samples = reader.reals();
        if (samples.size() > samples_) samples.resize(samples_);
        for (const double sample : samples) {
          if (!is_time(sample)) {
            reader.refuse("a call took " + std::to_string(sample) + " seconds");
          }
        }
      }
    }
    return generation;
  }

  std::size_t warm_up_;
  std::size_t samples_;
  std::size_t half_;
  Generation recent_;
  Generation older_;
};

}  // namespace reprise::inline v0
